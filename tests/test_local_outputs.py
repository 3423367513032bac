"""Large outputs that stay in a container's memory: never stored, and made again where they are lost."""

from __future__ import annotations

import os
import signal
import sys
from random import Random
from time import sleep

import dask
import numpy as np
import pytest
from dask import delayed
from test_faults import containers, in_thread

from dask_serverless import Serverless
from dask_serverless.store.connect import open_link
from planners.plans.plan import FLEXIBLE, Plan

LARGE = (600, 600)  # numbers: 2.9 MB


class OneBundleEach:
    """For every task a bundle of its own."""

    name = "one-bundle-each"

    def plan(self, dag, resources):
        tasks = dag.tasks
        return Plan(self.name, list(range(tasks)), [FLEXIBLE] * tasks, [0] * tasks)


@pytest.fixture(scope="module")
def client():
    with Serverless(containers=2, attempts=20, planner=OneBundleEach()) as client:
        yield client
        with open_link(client._engine.url) as link:
            assert link.call(("KEYS", "ds:*")) == [[]]
        assert [os.listdir(path) for path in client._engine.folders.paths] == [[], []]


@pytest.fixture
def notes(tmp_path):
    """What tasks note down, whichever container they run in."""
    file = tmp_path / "notes"
    file.touch()
    return file


def make(value, notes):
    with open(notes, "a") as file:
        file.write(f"{value} ")
    return np.full(LARGE, float(value))


def add_one(array, notes):
    with open(notes, "a") as file:
        file.write("+1 ")
    return array + 1


def total(*arrays):
    return sum(float(array[0, 0]) for array in arrays)


def once(notes, task, *arguments):
    """Kills its container when it runs for the first time."""
    if "killed" not in notes.read_text():
        notes.write_text(notes.read_text() + "killed ")
        os.kill(os.getpid(), signal.SIGKILL)
    return task(*arguments)


def chain(length, notes):
    value = delayed(make)(1, notes)
    for _ in range(length):
        value = delayed(add_one)(value, notes)
    return delayed(total)(value)


def tree(leaves):
    layer = [delayed(np.full)(LARGE, float(i)) for i in range(leaves)]
    while len(layer) > 1:
        layer = [delayed(sum)(layer[i : i + 2]) for i in range(0, len(layer), 2)]
    return delayed(total)(layer[0])


def test_a_chain_of_large_outputs_stores_none_of_them(client, notes):
    assert dask.compute(chain(5, notes), scheduler=client, optimize_graph=False) == (6.0,)
    assert client.last_run.bundles == 7
    assert client.last_run.bytes_moved < 1000
    assert client.last_run.bytes_kept == 6 * 2_880_000
    assert notes.read_text() == "1 +1 +1 +1 +1 +1 "


@pytest.mark.skipif(sys.platform != "linux", reason="kills containers")
def test_what_a_killed_container_had_in_memory_is_made_again(client, notes):
    value = delayed(add_one)(delayed(add_one)(delayed(make)(1, notes), notes), notes)
    last = delayed(once)(notes, total, value)
    assert dask.compute(last, scheduler=client, optimize_graph=False) == (3.0,)
    assert notes.read_text() == "1 +1 +1 killed 1 +1 +1 "


def test_inputs_that_are_needed_to_make_it_again_stay_until_it_is_settled(client, notes):
    """The first output is stored for two; both go on in memory, and one of them is lost."""
    first = delayed(make)(1, notes)
    branches = [delayed(total)(delayed(add_one)(first, notes)) for _ in range(2)]
    killed = delayed(once)(notes, total, delayed(add_one)(first, notes))
    found = dask.compute(*branches, killed, scheduler=client, optimize_graph=False)
    assert found == (2.0, 2.0, 2.0)


@pytest.mark.skipif(sys.platform != "linux", reason="kills containers")
def test_containers_killed_at_any_moment_change_nothing(client):
    random = Random(11)
    for _ in range(8):
        outcome = in_thread(lambda: dask.compute(tree(16), scheduler=client, optimize_graph=False))
        sleep(random.uniform(0, 0.25))
        for pid in containers(client)[:1]:
            os.kill(pid, signal.SIGKILL)
        assert outcome() == (float(sum(range(16))),)


def test_an_input_in_memory_may_be_written_into(client, notes):
    """Like one from the store: it is the task's own."""

    def overwrite(array):
        array[:] = 0
        return total(array)

    first = delayed(make)(1, notes)
    found = dask.compute(delayed(overwrite)(first), scheduler=client, optimize_graph=False)
    assert found == (0.0,)


def test_what_the_client_asked_for_is_stored(client, notes):
    first = delayed(make)(1, notes)
    array, again = dask.compute(
        first, delayed(total)(first), scheduler=client, optimize_graph=False
    )
    assert (array[0, 0], again) == (1.0, 1.0)


def test_a_task_that_raises_when_it_runs_again_is_named(client, notes):
    def fails_the_second_time(notes):
        if "killed" in notes.read_text():
            raise ValueError("not twice")
        return np.zeros(LARGE)

    first = delayed(fails_the_second_time)(notes, dask_key_name="first")
    with pytest.raises(ValueError, match="not twice") as caught:
        last = delayed(once)(notes, total, first)
        dask.compute(last, scheduler=client, optimize_graph=False)
    assert "fails_the_second_time" in "".join(caught.value.__notes__)
