"""What a run on AWS Lambda costs: AWS charges for each invocation, from its first moment on."""

from __future__ import annotations

import subprocess
import sys
import time

import dask
from awaiting import eventually
from dask import delayed
from lambda_emulators import SECRET, region

from dask_serverless import Serverless

GB = 1769 / 1024  # of the emulators


@delayed
def wait(seconds, *before):
    time.sleep(seconds)


def test_a_visit_is_paid_for_from_its_first_moment_on_and_not_between_visits(store_url):
    with (
        region(store_url, 2) as cloud,
        Serverless(
            backend="lambda", store=store_url, containers=2, endpoint_url=cloud.url, secret=SECRET
        ) as client,
    ):

        def charged():
            """For all invocations so far, and for the one that checked the function."""
            eventually(lambda: len(cloud.seconds) == len(cloud.events()) + 1)
            return sum(cloud.seconds)

        def by_three_visits():
            """The container of the short one comes again, unless it is late."""
            before = charged()
            long, short = wait(1.5), wait(0.01)
            dask.compute([wait(0.6, long, short), wait(0.6, long, short)], scheduler=client)
            report = client.last_run
            warm = (report.cold_starts, report.warm_starts) == (0, 3)
            return warm and report.paid_gb_seconds / GB / (charged() - before)

        assert 0.8 < eventually(by_three_visits) < 1.0


def test_what_a_container_took_to_come_up_is_known_from_the_start_of_its_process():
    script = "from worker_container.aws_lambda import process_age; print(process_age())"
    begun = time.monotonic()
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    whole = time.monotonic() - begun
    assert whole / 2 < float(told.stdout) < whole
