"""Dask's callbacks, fed from containers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import dask
import dask.array as da
import dask.bag as db
import pytest
from dask import delayed
from dask.callbacks import Callback
from dask.diagnostics import CacheProfiler, Profiler, ProgressBar, ResourceProfiler


def add(x, y):
    return x + y


def tree(leaves=8):
    layer = [delayed(add)(i, 1, dask_key_name=("leaf", i)) for i in range(leaves)]
    while len(layer) > 1:
        layer = [delayed(add)(a, b) for a, b in zip(layer[::2], layer[1::2], strict=True)]
    return layer[0]


class Recorder(Callback):
    def __init__(self):
        self.told = []
        super().__init__(
            start=lambda dsk: self.told.append(("start", len(dsk))),
            start_state=lambda dsk, state: self.told.append(("state", len(dsk))),
            pretask=lambda key, dsk, state: self.told.append(("pre", key)),
            posttask=lambda key, result, dsk, state, worker: self.told.append(
                ("post", key, result, worker)
            ),
            finish=lambda dsk, state, failed: self.told.append(("finish", failed)),
        )


def test_a_callback_of_ones_own_hears_of_everything(serverless):
    with Recorder() as recorder:
        assert dask.compute(tree(), scheduler=serverless) == (36,)
    kinds = [told[0] for told in recorder.told]
    assert kinds[:2] == ["start", "state"]
    assert kinds[-1] == "finish"
    assert kinds.count("pre") == kinds.count("post") == 15
    results = {told[1]: told[2] for told in recorder.told if told[0] == "post"}
    assert [results["leaf", i] for i in range(8)] == list(range(1, 9))
    assert recorder.told[-1] == ("finish", False)


def test_a_callback_registered_for_all_hears_too(serverless):
    recorder = Recorder()
    recorder.register()
    try:
        dask.compute(tree(2), scheduler=serverless)
    finally:
        recorder.unregister()
    dask.compute(tree(2), scheduler=serverless)
    assert [told[0] for told in recorder.told].count("finish") == 1


def bag():
    return db.from_sequence(range(100), npartitions=4).map(partial(add, 1)).map(partial(add, 2))


def without_chance(key):
    """Dask names what puts a collection together anew each time."""
    return "finalize" if str(key).startswith("finalize-") else str(key)


@pytest.mark.parametrize("make", [bag, lambda: da.ones((8, 8), chunks=4) + 1, tree])
@pytest.mark.parametrize("optimized", [True, False])
def test_callbacks_hear_of_the_tasks_that_dasks_own_schedulers_have(serverless, make, optimized):
    """Other names of an output, too, and what the client puts together."""
    collection, told = make(), {}
    for scheduler in ("sync", serverless):
        with Recorder() as recorder:
            dask.compute(collection, scheduler=scheduler, optimize_graph=optimized)
        told[scheduler] = {
            kind: sorted(without_chance(each[1]) for each in recorder.told if each[0] == kind)
            for kind in ("pre", "post")
        }
    assert told[serverless] == told["sync"]
    assert told[serverless]["pre"]


def test_finish_is_told_of_a_failure(serverless):
    with Recorder() as recorder, pytest.raises(ZeroDivisionError):
        dask.compute(delayed(lambda: 1 / 0)(), scheduler=serverless)
    assert recorder.told[-1] == ("finish", True)


def test_a_callback_that_raises_ends_the_run_and_the_client_goes_on(serverless):
    class Broken(Callback):
        def _posttask(self, key, result, dsk, state, worker):
            raise RuntimeError("broken")

    with Broken(), pytest.raises(RuntimeError, match="broken"):
        dask.compute(tree(), scheduler=serverless)
    assert dask.compute(tree(), scheduler=serverless) == (36,)


def test_the_progress_bar_ends_at_a_hundred(serverless, capsys):
    with ProgressBar(dt=0.01):
        dask.compute(tree(), scheduler=serverless)
    assert "100% Completed" in capsys.readouterr().out


def test_the_profiler_gets_times_and_containers(serverless):
    with Profiler() as profiler:
        dask.compute([delayed(time.sleep)(0.02) for _ in range(4)], scheduler=serverless)
    assert len(profiler.results) == 4
    assert all(0.01 < r.end_time - r.start_time < 5 for r in profiler.results)
    assert len({r.worker_id for r in profiler.results}) <= 2


def test_the_cache_profiler_gets_sizes(serverless):
    with CacheProfiler() as profiler:
        dask.compute(tree(), scheduler=serverless)
    assert len(profiler.results) == 15


def test_several_callbacks_at_once(serverless):
    with Profiler() as profiler, CacheProfiler(), ResourceProfiler(dt=0.01), Recorder() as recorder:
        assert dask.compute(tree(), scheduler=serverless) == (36,)
    assert len(profiler.results) == 15
    assert len(recorder.told) == 33


def test_callbacks_may_be_passed_to_compute(serverless):
    recorder = Recorder()
    dask.compute(tree(2), scheduler=serverless, callbacks=[recorder._callback])
    assert recorder.told[-1] == ("finish", False)


def test_a_limit_on_results_does_not_count_what_callbacks_look_at():
    from dask_serverless import Serverless

    values = [delayed(bytes)(50_000) for _ in range(10)]
    total = delayed(lambda parts: sum(map(len, parts)))(values)
    with Serverless(containers=1, result_limit=100_000) as client, CacheProfiler():
        assert dask.compute(total, scheduler=client) == (500_000,)


# Every hook, in every way in which callbacks can be active


@pytest.mark.parametrize("hook", ["start", "start_state", "pretask", "posttask", "finish"])
def test_each_hook_alone(serverless, hook):
    told = []
    with Callback(**{hook: lambda *args: told.append(args)}):
        assert dask.compute(tree(4), scheduler=serverless) == (10,)
    assert len(told) == (7 if "task" in hook else 1)


@pytest.mark.parametrize("hook", ["start", "start_state", "pretask", "posttask", "finish"])
def test_each_hook_that_raises(serverless, hook):
    """The others that have been started are told of the end, and the client goes on."""

    def broken(*args):
        raise RuntimeError("broken")

    finished = []
    with Callback(finish=lambda dsk, state, failed: finished.append(failed)) as first:
        with pytest.raises(RuntimeError, match="broken"):
            callbacks = [first._callback, Callback(**{hook: broken})._callback]
            dask.compute(tree(4), scheduler=serverless, callbacks=callbacks)
        assert finished == [hook != "finish"]
        assert dask.compute(tree(4), scheduler=serverless) == (10,)
    assert finished == [hook != "finish", False]


def test_the_state_is_that_of_dasks_own_schedulers(serverless):
    """Dependencies and dependents of each task, values while somebody needs them, keys by what
    became of them.
    """
    seen = {}

    class Looking(Callback):
        def _posttask(self, key, result, dsk, state, worker):
            assert key in state["finished"] and key not in state["waiting"]
            assert key in dsk
            if state["dependents"][key]:
                assert state["cache"][key] == result
            seen[key] = (state["dependencies"][key], state["dependents"][key])

        def _finish(self, dsk, state, failed):
            assert not state["cache"] and not state["waiting"]
            assert len(state["released"]) == 6

    total = tree(4)
    with Looking():
        dask.compute(total, scheduler=serverless)
    assert seen["leaf", 0][0] == set()
    assert len(seen["leaf", 0][1]) == 1
    assert len(seen[total.key][0]) == 2
    assert seen[total.key][1] == set()


def test_blocks_within_blocks(serverless):
    with Recorder() as outer:
        with Recorder() as inner:
            dask.compute(tree(2), scheduler=serverless)
        dask.compute(tree(4), scheduler=serverless)
    assert [told[0] for told in inner.told].count("post") == 3
    assert [told[0] for told in outer.told].count("post") == 10


def test_what_a_callback_computes_itself_is_not_told(serverless):
    class Computing(Recorder):
        def __init__(self):
            super().__init__()
            self._finish = self.compute

        def compute(self, dsk, state, failed):
            assert dask.compute(tree(2), scheduler=serverless) == (3,)

    with Computing() as recorder:
        dask.compute(tree(2), scheduler=serverless)
    assert [told[0] for told in recorder.told].count("post") == 3


def test_a_registered_callback_outlives_threads_that_compute_at_once(serverless):
    recorder = Recorder()
    recorder.register()
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: dask.compute(tree(4), scheduler=serverless), range(8)))
        assert [told[0] for told in recorder.told].count("post") == 56
        assert Callback.active == {recorder._callback}
    finally:
        recorder.unregister()


def test_the_graph_of_the_caller_is_left_alone(serverless):
    graph = {"x": (add, 1, 2), "y": (add, "x", 3)}

    def start(dsk):
        dsk["x"] = 10

    with Callback(start=start):
        assert serverless.get(graph, "y") == 13
    assert graph["x"] == (add, 1, 2)
    assert serverless.get(graph, "y") == 6


@pytest.mark.parametrize("value", [(add, 1, 2), ["leaf", 0], "leaf", ("leaf", 1), None])
def test_a_value_that_looks_like_a_task_or_a_key(serverless, value):
    with Callback(start=lambda dsk: dsk.update({"x": value})):
        graph = {"x": (add, 1, 2), "leaf": 1, ("leaf", 1): 2, "y": (lambda x: [x], "x")}
        assert serverless.get(graph, ["x", "y"]) == (value, [value])


# Dask's opportunistic cache


@pytest.fixture
def cache():
    pytest.importorskip("cachey")
    from dask.cache import Cache

    return Cache(1e9)


def counted(number, folder):
    (folder / str(number)).open("a").write("x")
    time.sleep(0.01)
    return number


def runs(folder):
    return sum(len(path.read_text()) for path in folder.iterdir())


def test_what_the_cache_holds_is_not_computed_again(serverless, cache, tmp_path):
    values = [delayed(counted, pure=True)(n, tmp_path) for n in range(6)]
    with cache:
        assert dask.compute(delayed(sum)(values), scheduler=serverless) == (15,)
        assert dask.compute(delayed(max)(values), scheduler=serverless) == (5,)
        assert dask.compute(*values, scheduler=serverless) == (0, 1, 2, 3, 4, 5)
    assert runs(tmp_path) == 6
    dask.compute(*values, scheduler=serverless)
    assert runs(tmp_path) == 12


def test_a_registered_cache(serverless, cache, tmp_path):
    value = delayed(counted, pure=True)(3, tmp_path)
    cache.register()
    try:
        assert [value.compute(scheduler=serverless) for _ in range(3)] == [3, 3, 3]
    finally:
        cache.unregister()
    assert runs(tmp_path) == 1


def test_the_cache_keeps_what_took_long_in_the_container(serverless, cache):
    slow = delayed(lambda: time.sleep(0.2) or b"x" * 1000, pure=True)(dask_key_name="slow")
    quick = delayed(lambda: b"x" * 1000, pure=True)(dask_key_name="quick")
    with cache:
        dask.compute(slow, quick, scheduler=serverless)
    assert cache.cache.heap["slow"] > 10 * cache.cache.heap["quick"]


def test_arrays_and_frames_with_the_cache(serverless, cache):
    import dask.array as da
    import dask.dataframe as dd
    import pandas as pd

    x = da.arange(100, chunks=10) + 1
    df = dd.from_pandas(pd.DataFrame({"a": range(20), "b": range(20)}), npartitions=3)
    with cache:
        for _ in range(2):
            assert x.sum().compute(scheduler=serverless) == 5050
            assert (x * 2).compute(scheduler=serverless).sum() == 10100
            assert df.groupby("a").b.sum().sum().compute(scheduler=serverless) == 190
        assert cache.cache.data


@pytest.mark.parametrize("method", ["disk", "p2p"])
def test_what_is_not_the_callers_own_is_not_told(serverless, cache, method):
    """The pieces of a shuffle that was replaced: under the caller's keys they would be wrong."""
    import dask.dataframe as dd
    import pandas as pd

    pytest.importorskip("distributed")
    df = dd.from_pandas(pd.DataFrame({"a": range(20), "b": range(20)}), npartitions=3)
    with cache, Profiler():
        for _ in range(2):
            shuffled = df.shuffle("a", shuffle_method=method)
            assert sorted(shuffled.compute(scheduler=serverless).b) == list(range(20))


def test_what_the_client_writes_with_callbacks(serverless, cache, capsys):
    """Nor the part of a fused task that containers run: its key stands for the writing."""
    import dask.array as da

    zarr = pytest.importorskip("zarr")
    target = zarr.create_array({}, shape=(100,), chunks=(10,), dtype="i8")
    x = da.arange(100, chunks=10) + 1
    with cache, ProgressBar(dt=0.01), Recorder() as recorder:
        for _ in range(2):
            target[:] = 0
            da.store(x, target, scheduler=serverless)
            assert target[:].tolist() == list(range(1, 101))
    assert not [told for told in recorder.told if "store" in str(told[1])]
    assert "100% Completed" in capsys.readouterr().out


def test_the_resource_profiler(serverless):
    with ResourceProfiler(dt=0.02) as profiler:
        dask.compute(delayed(time.sleep)(0.2), scheduler=serverless)
        assert dask.compute(tree(), scheduler=serverless) == (36,)
    profiler.close()
    assert profiler.results


def test_the_cache_profiler_with_a_measure_of_ones_own(serverless):
    with CacheProfiler(metric=lambda value: value, metric_name="value") as profiler:
        dask.compute(tree(2), scheduler=serverless)
    assert sorted(r.metric for r in profiler.results) == [1, 2, 3]
    assert all(r.free_time >= r.cache_time for r in profiler.results)


def test_the_progress_bar_moves_while_a_long_bundle_runs(serverless):
    """A chain is one bundle: what it has done is told meanwhile."""
    seen = []

    class Watching(ProgressBar):
        def _draw_bar(self, frac, elapsed):
            seen.append(round(frac * 12))

    def nap(previous):
        time.sleep(0.2)
        return previous + 1

    value = delayed(nap)(0)
    for _ in range(11):
        value = delayed(nap)(value)
    with Watching(dt=0.05):
        assert dask.compute(value, scheduler=serverless) == (12,)
    assert len({n for n in seen if 0 < n < 12}) >= 3
    assert seen == sorted(seen)
    assert seen[-1] == 12
