"""Tasks that raise and may be tried again, on real containers: as annotated, by keyword, by setting."""

from __future__ import annotations

import os
import random
import sys
import time

import dask
import dask.array as da
import dask.bag as db
import numpy as np
import pytest
from awaiting import eventually
from dask import delayed
from dask.callbacks import Callback

from dask_serverless import Serverless
from dask_serverless.client import ignored
from dask_serverless.errors import BundleLost, SettingsError

# Older Dask hands over graphs from which its optimizations have lost the annotations.
expressions = pytest.mark.skipif(
    not hasattr(getattr(dask, "_expr", None), "HLGExpr"), reason="this Dask keeps no annotations"
)


class Wrong(Exception):
    def __init__(self, count, *, name):
        super().__init__(f"{name} was called {count} times")
        self.count = count


def flaky(folder, failures, name="it"):
    """Raises in its first calls, wherever they are."""
    calls = len(list(folder.glob(f"{name}-*")))
    (folder / f"{name}-{calls}").touch()
    if calls < failures:
        raise Wrong(calls + 1, name=name)
    return calls + 1


def calls(folder, name="it"):
    return len(list(folder.glob(f"{name}-*")))


def test_a_task_is_tried_again_as_often_as_it_is_annotated(serverless, tmp_path, recwarn):
    ignored._told.clear()
    with dask.annotate(retries=2):
        task = delayed(flaky)(tmp_path, 2)
    assert dask.compute(task, scheduler=serverless) == (3,)
    assert serverless.last_run.retries == 2
    assert not recwarn.list


def test_only_annotated_tasks_are(serverless, tmp_path):
    with dask.annotate(retries=2):
        well = delayed(flaky)(tmp_path, 1, "well")
    with pytest.raises(Wrong):
        dask.compute(well, delayed(flaky)(tmp_path, 1, "ill"), scheduler=serverless)
    assert calls(tmp_path, "ill") == 1


def test_the_error_is_the_tasks_own_and_names_every_attempt(serverless, tmp_path):
    with pytest.raises(Wrong) as caught:
        dask.compute(delayed(flaky)(tmp_path, 9), scheduler=serverless, retries=2)
    assert caught.value.count == 3
    text = "\n".join(caught.value.__notes__)
    assert "tried 3 times:" in text
    for count in (1, 2, 3):
        assert f"{count}. Wrong: it was called {count} times (after" in text
    assert calls(tmp_path) == 3


def test_the_setting_holds_where_nothing_else_is_said(serverless, tmp_path):
    often = serverless.options(retries=1)
    assert dask.compute(delayed(flaky)(tmp_path, 1, "a"), scheduler=often) == (2,)
    with dask.annotate(retries=0):
        never = delayed(flaky)(tmp_path, 1, "b")
    with pytest.raises(Wrong):
        dask.compute(never, scheduler=often)
    with pytest.raises(Wrong):
        dask.compute(delayed(flaky)(tmp_path, 1, "c"), scheduler=often, retries=0)


def test_by_key_and_by_collection(serverless, tmp_path):
    one, other = (delayed(flaky)(tmp_path, 1, name, dask_key_name=f"key-{name}") for name in "ab")
    wanted = {one: 1, "key-b": 1}
    assert dask.compute(one, other, scheduler=serverless, retries=wanted) == (2, 2)


def test_what_is_annotated_around_the_call_holds_for_all_that_it_computes(serverless, tmp_path):
    """As with distributed; its keyword and what a task itself bears come before it."""
    task, plain = (delayed(flaky)(tmp_path, 1, name) for name in ("task", "plain"))
    with dask.annotate(retries=0):
        never = delayed(flaky)(tmp_path, 1, "never")
    with dask.annotate(retries=1):
        assert task.compute(scheduler=serverless) == 2
        with pytest.raises(Wrong):
            never.compute(scheduler=serverless)
        with pytest.raises(Wrong):
            plain.persist(scheduler=serverless, retries=0)


def test_a_function_around_the_call_says_it_of_each_key(serverless, tmp_path):
    one, other = (delayed(flaky)(tmp_path, 1, name, dask_key_name=f"key-{name}") for name in "ab")
    with dask.annotate(retries=lambda key: int(key == "key-a")):
        assert one.compute(scheduler=serverless) == 2
        with pytest.raises(Wrong):
            other.compute(scheduler=serverless)


def once(block, folder):
    flaky(folder, 1, f"block{int(block.flat[0])}")
    return block + 1


@expressions
def test_blocks_of_an_array_that_dask_fuses_with_what_follows(serverless, tmp_path):
    blocks = da.from_array(np.arange(4), chunks=1)
    with dask.annotate(retries=1):
        flaky_blocks = blocks.map_blocks(once, folder=tmp_path, dtype=int)
    total = (flaky_blocks * 2).sum()
    assert dask.compute(total, scheduler=serverless) == (20,)
    assert serverless.last_run.retries == 4


@expressions
def test_each_key_as_often_as_a_function_says(serverless, tmp_path):
    blocks = da.from_array(np.arange(2), chunks=1)
    with dask.annotate(retries=lambda key: 1 - key[1]):
        flaky_blocks = blocks.map_blocks(once, folder=tmp_path, dtype=int)
    with pytest.raises(Wrong, match="block1"):
        dask.compute(flaky_blocks, scheduler=serverless)


@expressions
def test_partitions_of_a_bag(serverless, tmp_path):
    bag = db.from_sequence([0, 1], npartitions=2)
    with dask.annotate(retries=1):
        tried = bag.map(lambda n: flaky(tmp_path, 1, f"item{n}"))
    assert dask.compute(tried, scheduler=serverless) == ([2, 2],)


def test_callbacks_are_shown_a_task_once_and_the_time_of_its_last_attempt(serverless, tmp_path):
    seen = []

    def posttask(key, result, dsk, state, container):
        seen.append((key, result))

    with Callback(posttask=posttask):
        task = delayed(flaky)(tmp_path, 1, dask_key_name="x")
        dask.compute(task, scheduler=serverless, retries=1)
    assert seen == [("x", 2)]


def slow_to_fail(folder):
    if not calls(folder):
        time.sleep(0.5)
    return flaky(folder, 1)


def test_what_an_attempt_took_that_raised_is_not_counted(serverless, tmp_path):
    dask.compute(delayed(slow_to_fail)(tmp_path), scheduler=serverless, retries=1)
    last = serverless.last_run
    assert last.phases["wait"] > 0.5
    assert last.running < last.phases["wait"] - 0.5


def reproducible(folder):
    random.seed(3)
    flaky(folder, 2)
    return random.random()


def test_the_random_numbers_of_tasks_are_theirs(serverless, tmp_path):
    (drawn,) = dask.compute(delayed(reproducible)(tmp_path), scheduler=serverless, retries=2)
    assert drawn == random.Random(3).random()


def fails_for_ever(folder):
    (folder / "pid").write_text(str(os.getpid()))
    flaky(folder, 10**6)


def gives_up(folder):
    while calls(folder) < 4:  # by then most of its time are pauses
        time.sleep(0.01)
    raise KeyError("given up")


def test_a_run_that_fails_elsewhere_ends_a_pause(store_url, tmp_path):
    """Whoever waits there to try again is not killed for it, and takes the next run."""
    with Serverless(containers=2, store=store_url) as client:
        for_ever, other = delayed(fails_for_ever)(tmp_path), delayed(gives_up)(tmp_path)
        with pytest.raises(KeyError, match="given up"):
            dask.compute(for_ever, other, scheduler=client, retries={for_ever: 10**6})
        pid = int((tmp_path / "pid").read_text())
        pids = [delayed(here)(n) for n in range(4)]
        eventually(lambda: pid in dask.compute(*pids, scheduler=client))


def here(number):
    time.sleep(0.05)
    return os.getpid()


def die_once(folder):
    if flaky(folder, 1, "dies") == 2 and calls(folder, "dies") == 2:
        os._exit(3)
    return "well"


def test_a_container_that_dies_counts_apart(serverless, tmp_path):
    """A fresh container tries as often as any."""
    (came,) = dask.compute(delayed(die_once)(tmp_path), scheduler=serverless, retries=1)
    assert came == "well"


@pytest.mark.parametrize("wrong", [-1, "x", 1.5, True, {"a": -1}, {"a": "x"}])
def test_a_keyword_that_means_nothing(serverless, wrong):
    with pytest.raises(SettingsError, match=r"compute\(retries=...\) is .*whole number from 0"):
        dask.compute(delayed(sum)([1]), scheduler=serverless, retries=wrong)


@pytest.mark.parametrize("wrong", [-1, "x", None, True])
def test_a_setting_that_means_nothing(serverless, wrong):
    with pytest.raises(SettingsError, match="retries"):
        serverless.options(retries=wrong)


def test_an_annotation_that_means_nothing(serverless):
    with dask.annotate(retries=-1):
        task = delayed(sum)([1])
    with pytest.raises(SettingsError, match=r"dask.annotate\(retries=...\) is -1"):
        dask.compute(task, scheduler=serverless)


def crash():
    print("about to go", file=sys.stderr)
    os._exit(7)


def test_who_is_lost_over_a_bundle_is_listed_with_how_it_ended(store_url):
    with (
        Serverless(containers=1, store=store_url, attempts=2) as client,
        pytest.raises(BundleLost) as caught,
    ):
        dask.compute(delayed(crash)(), scheduler=client)
    assert len(caught.value.story) == 2
    for container, why in caught.value.story:
        assert container
        assert "exited with status 7" in why
        assert "MiB of memory" in why
        assert "about to go" in why
