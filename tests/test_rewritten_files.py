"""Files of large outputs that containers write anew: what anybody still has of them stays as it was."""

import os
import signal

import dask
import numpy as np
import pytest
from awaiting import eventually
from dask import delayed

from dask_serverless import Serverless
from planners.plans.plan import FLEXIBLE, Plan

NUMBERS = 100_000  # 0.8 MB
WIDTH = 6
LAYERS = 4

pytestmark = pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no shared memory here")


class OneBundleEach:
    """For every task a bundle of its own: outputs go from container to container."""

    name = "one-bundle-each"

    def plan(self, dag, resources):
        tasks = dag.tasks
        return Plan(self.name, list(range(tasks)), [FLEXIBLE] * tasks, [0] * tasks)


@pytest.fixture
def client():
    with Serverless(containers=2, planner=OneBundleEach()) as client:
        yield client


def first(seed, place):
    return np.full(NUMBERS, float(seed + place))


def both(one, other):
    one += other  # into its input: it is the task's own
    return one


def layers(seed):
    """Each output is taken by two tasks, and the last ones are the client's."""
    row = [delayed(first)(seed, place) for place in range(WIDTH)]
    for _ in range(LAYERS):
        row = [delayed(both)(row[place], row[place - 1]) for place in range(WIDTH)]
    return row


def expected(seed):
    row = [float(seed + place) for place in range(WIDTH)]
    for _ in range(LAYERS):
        row = [row[place] + row[place - 1] for place in range(WIDTH)]
    return row


def spare_files(client):
    folder = client._engine.folders.spares
    return [name for _, _, names in os.walk(folder) for name in names]


def test_results_stay_as_they_are_while_later_runs_write_files_anew():
    with Serverless(containers=2, planner=OneBundleEach()) as client:
        results = [dask.compute(*layers(seed), scheduler=client) for seed in range(12)]
        folder = client._engine.folders.spares
    assert not os.path.exists(folder)
    for seed, found in enumerate(results):
        for array, value in zip(found, expected(seed), strict=True):
            assert array[0] == value and (array == array[0]).all()
            array += 1  # may be written to, as always


def test_files_are_kept_while_there_is_work_and_go_when_there_is_none(client):
    for seed in range(20):
        dask.compute(*layers(seed), scheduler=client)
        if spare_files(client):
            break
    else:
        pytest.fail("no container has kept any file")
    eventually(lambda: not spare_files(client))
    assert os.path.isdir(client._engine.folders.spares)


def end_here(arrays, once):
    try:
        os.mkdir(once)
    except FileExistsError:
        return float(sum(array[0] for array in arrays))
    os.kill(os.getpid(), signal.SIGKILL)


def test_files_of_a_container_that_was_killed_go_as_well(client, tmp_path):
    last = delayed(end_here)(layers(3), str(tmp_path / "killed"))
    (found,) = dask.compute(last, scheduler=client)
    assert found == sum(expected(3))
    eventually(lambda: not spare_files(client))


def test_files_go_with_the_process_that_starts_containers(client):
    dask.compute(*layers(1), scheduler=client)
    os.kill(client._engine.backend.process.pid, signal.SIGKILL)
    eventually(lambda: not spare_files(client))
    assert dask.compute(*layers(2), scheduler=client)[0][0] == expected(2)[0]


def test_a_container_that_must_not_use_more_memory_keeps_nothing():
    with Serverless(containers=2, planner=OneBundleEach(), memory="2 GiB") as client:
        for seed in range(3):
            dask.compute(*layers(seed), scheduler=client)
            assert not spare_files(client)
