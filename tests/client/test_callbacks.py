"""Dask's callbacks, fed from containers."""

from __future__ import annotations

import time

import dask
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
