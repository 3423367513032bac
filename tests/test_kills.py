"""Whoever is killed or stopped at whichever moment: the right answer, or an error that says why."""

from __future__ import annotations

import os
import signal
import sys
import time
from random import Random

import dask
import pytest
from awaiting import eventually
from clients import Client, children
from dask import delayed
from test_faults import containers, in_thread, is_keeper, nursery, tree

from dask_serverless import Serverless

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

KILLS = int(os.environ.get("DASK_SERVERLESS_KILLS", "8"))  # of each kind


def victims(client, kind):
    if kind == "nursery":
        return [nursery(client)]
    if kind == "keeper":
        return [pid for pid in children(nursery(client)) if is_keeper(pid)]
    return containers(client)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
@pytest.mark.parametrize("kind", ["container", "nursery", "keeper"])
def test_at_random_moments(kind, number):
    random = Random(f"{kind} {number}")
    with Serverless(containers=2, lease_seconds=0.6, attempts=10) as client:
        dask.compute(delayed(abs)(-1), scheduler=client)
        for _ in range(KILLS):
            outcome = in_thread(lambda: dask.compute(tree(16), scheduler=client))
            time.sleep(random.uniform(0, 0.15))
            if (backend := client._engine.backend).process is not None:
                for pid in victims(client, kind)[:1]:
                    if pid != backend.process.pid or backend.process.poll() is None:
                        os.kill(pid, number)
            assert outcome(30) == (2 * sum(range(16)),)


def test_a_client_killed_at_random_moments_leaves_no_process(tmp_path):
    random = Random(5)
    source = """
    from test_faults import tree
    with Serverless(containers=2, lease_seconds=0.6) as s:
        dask.compute(tree(2), scheduler=s)
        tell("up")
        while True:
            dask.compute(tree(8), scheduler=s)
    """
    tests = os.path.dirname(__file__)
    for _ in range(max(2, KILLS // 4)):
        with Client(tmp_path, f"\n    sys.path.append({tests!r})" + source) as script:
            script.hear()
            time.sleep(random.uniform(0, 0.6))
            ours = [pid for pid, command in script.left().items() if "nursery" in command]
            os.kill(random.choice(ours), signal.SIGSTOP)  # it, the keeper or a container
            script.kill()
            eventually(lambda: not script.left(), 10)
