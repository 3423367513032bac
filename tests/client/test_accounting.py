"""What a run has taken of its containers: processor time, memory, and money by a price table."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import dask
import numpy as np
import pytest
from click.testing import CliRunner
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.backends.cgroup_memory import GroupPeak
from dask_serverless.client.accounting import Account, accounts_of, uses_of
from dask_serverless.client.report import RunReport
from dask_serverless.command.cli import serverless
from dask_serverless.coordination.base import Event, What
from dask_serverless.errors import SettingsError
from dask_serverless.history.observations import Use
from dask_serverless.history.opening import open_history
from dask_serverless.worker.told import Finished, Used
from planners.cost.platform import Platform, Prices
from planners.uniform import Uniform

MB = 1 << 20


def fill(megabytes: int) -> int:
    return int(np.ones(megabytes * MB, dtype="u1").sum()) // MB


def burn(seconds: float) -> None:
    begun = time.process_time()
    while time.process_time() - begun < seconds:
        sum(range(1000))


def test_memory_is_that_of_this_run_also_where_a_container_has_had_more_before() -> None:
    with Serverless(containers=1, memory="4 GiB") as client:
        assert dask.compute(delayed(fill)(400), scheduler=client) == (400,)
        (account,) = client.last_run.accounts
        assert (account.memory_mb, account.cold_starts, account.warm_starts) == (4096, 1, 0)
        assert client.last_run.peak_bytes > 400 * MB
        dask.compute(delayed(fill)(1), scheduler=client)
        (account,) = client.last_run.accounts
        assert (account.cold_starts, account.warm_starts) == (0, 1)
        assert 0 < client.last_run.peak_bytes < 400 * MB


def test_processor_time_is_what_tasks_took_of_it_and_not_what_they_waited() -> None:
    with Serverless(containers=2) as client:
        dask.compute([delayed(burn)(0.2)] * 1, [delayed(time.sleep)(0.5)], scheduler=client)
        report = client.last_run
        assert 0.2 <= report.cpu_seconds < report.running
        assert report.paid_gb_seconds >= 0.5 * Platform.default_memory_mb / 1024


def burn_in_a_program(seconds: float) -> None:
    script = f"import time\nwhile time.process_time() < {seconds}: pass"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_programs_that_tasks_start_are_part_of_their_processor_time() -> None:
    with Serverless(containers=1) as client:
        for _ in range(2):
            dask.compute(delayed(burn_in_a_program)(0.3), scheduler=client)
            assert 0.3 <= client.last_run.cpu_seconds < 0.6
        dask.compute(delayed(sum)([1, 2]), scheduler=client)
        assert client.last_run.cpu_seconds < 0.3


def test_what_is_paid_is_forecast_as_it_came_in_the_sizes_that_containers_had(tmp_path) -> None:
    """What came was reckoned in containers of the usual size: a budget of twice the cost was refused
    where they had less, and one of half of it accepted where they had more."""
    values, paid = [delayed(time.sleep)(0.1)] * 2, []
    history = str(tmp_path / "history")
    goals = {"planner": "wukong", "deadline": "1h"}
    with Serverless(containers=1, memory="512 MiB", history=history, **goals) as client:
        for _ in range(3):
            dask.compute(*values, scheduler=client)
            paid.append(client.last_run.paid_gb_seconds)
        forecast = client.plan(*values).plan.prediction
    assert forecast.runs == 2  # the first had nothing to go by
    assert 0.99 * min(paid[1:]) <= forecast.gb_seconds <= 1.01 * max(paid[1:])


def test_it_is_told_in_text_and_in_notebooks() -> None:
    with Serverless(containers=1, memory="2 GiB", prices={"gb_second": 2.0}) as client:
        dask.compute(delayed(burn)(0.05), scheduler=client)
        report = client.last_run
    assert report.cost == pytest.approx(2.0 * report.paid_gb_seconds + Prices().invocation)
    assert "2048 MiB: 1 cold and 0 warm starts" in str(report)
    assert f"cost: {report.cost:.7f}" in str(report)
    assert f"{report.paid_gb_seconds:.3f} GB s" in report._repr_html_()


def test_prices_are_those_of_the_setting_or_else_of_the_planner() -> None:
    dear = Uniform(platform=Platform(prices=Prices(gb_second=5.0)))
    with Serverless(containers=1, planner=dear) as client:
        dask.compute(delayed(burn)(0.01), scheduler=client)
        assert client.last_run.prices().gb_second == 5.0
        other = client.options(prices={"gb-second": 7, "moved_gb": 1.0})
        dask.compute(delayed(burn)(0.01), scheduler=other)
        assert other.last_run.prices() == Prices(gb_second=7.0, moved_gb=1.0)


@pytest.mark.parametrize(
    "wrong", [3, {"gb_seconds": 1}, {"gb_second": "much"}, {"invocation": -1}, {"moved_gb": True}]
)
def test_a_price_table_that_is_none_is_refused(wrong: object) -> None:
    with pytest.raises(SettingsError, match="prices.*gb_second, invocation, moved_gb"):
        Serverless(prices=wrong)


def test_containers_of_several_sizes_are_told_apart() -> None:
    small = {"memory_mb": 512, "cold": True, "since": 1.0, "until": 3.0, "cpu": 1.5, "peak": 10}
    again = {**small, "cold": False, "peak": 20}
    large = {**small, "memory_mb": 2048}
    assert accounts_of([large, small, again]) == [
        Account(512, 1, 1, seconds=4.0, cpu_seconds=3.0, peak_bytes=20),
        Account(2048, 1, 0, seconds=2.0, cpu_seconds=1.5, peak_bytes=10),
    ]
    report = RunReport("run", containers={"a": large, "b": small, "c": again})
    assert (report.cold_starts, report.warm_starts) == (2, 1)
    assert report.paid_gb_seconds == pytest.approx(4.0 * 0.5 + 2.0 * 2)


def finished(started: float, charged: float, cpu: float) -> Finished:
    """By its container, in two seconds."""
    used = Used(cpu, 1, 512, charged)
    return Finished(
        0, "c", started, 0.5, 1.0, 0.5, 1, 0, 0, 0, True, None, (), None, used=used
    )  # fmt: skip


def test_a_platform_that_charges_for_visits_charges_for_nothing_between_them() -> None:
    report, event = RunReport("run"), Event(What.FINISHED, b"")
    report.bundle(finished(started=11.0, charged=10.0, cpu=0.5), event)
    report.bundle(finished(started=13.0, charged=0.0, cpu=0.5), event)
    assert report.accounts == [Account(512, 1, 0, 15.0 - 10.0, 1.0, 1)]
    report.bundle(finished(started=20.5, charged=20.0, cpu=0.25), event)
    assert report.accounts == [Account(512, 1, 1, 5.0 + 2.5, 1.25, 1)]
    (container,) = report.containers.values()
    assert uses_of(container) == [Use(512, True, 5.0, 1.0, 1), Use(512, False, 2.5, 0.25, 1)]


def test_a_groups_peak_is_the_kernels_once_it_has_risen(tmp_path) -> None:
    def now(peak: int, current: int) -> None:
        (tmp_path / "memory.peak").write_text(f"{peak}\n")
        (tmp_path / "memory.current").write_text(f"{current}\n")

    (tmp_path / "memory.max").write_text(f"{512 * MB}\n")
    now(peak=300 * MB, current=40 * MB)
    group = GroupPeak(tmp_path)
    assert group.limit_mb == 512
    group.begin()
    assert group.peak() == 40 * MB
    now(peak=300 * MB, current=35 * MB)
    assert group.peak() == 40 * MB
    now(peak=301 * MB, current=50 * MB)
    assert group.peak() == 301 * MB


def test_the_history_keeps_what_was_paid_for(tmp_path) -> None:
    path = tmp_path / "history"
    with Serverless(containers=1, memory="2 GiB", history=str(path)) as client:
        for _ in range(2):
            dask.compute(delayed(burn)(0.05), scheduler=client)
        open_history(client.settings).save()
    with dask.config.set({"serverless.history": str(path)}):
        shown = CliRunner().invoke(serverless, ["history"]).output
    for line in (
        r"2048 MiB cold +1 ",
        r"2048 MiB warm +1 ",
        r"2048 MiB +2 ",
        r"Paid for \d.* GB s",
    ):
        assert re.search(f"^{line}", shown, re.MULTILINE), shown
