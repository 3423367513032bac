"""Views: the same containers under other settings."""

from __future__ import annotations

import gc
import weakref

import dask
import dask.array as da
import pytest
from clients import run_script
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.client.engine import _engines
from dask_serverless.errors import PlanRefused, ResultTooLarge, SettingsError


def total():
    return (da.ones((12, 12), chunks=3) + 1).sum()


def test_a_view_computes_on_the_same_containers_and_only_the_object_has_the_runs_of_both():
    with Serverless(containers=2) as whole:
        view = whole.options(planner="wukong")
        assert dask.compute(total(), scheduler=view) == (288,)
        assert whole.last_run is view.last_run
        assert dask.compute(total(), scheduler=whole) == (288,)
        assert view.last_run.bundles > whole.last_run.bundles
        assert whole.last_run.cold_starts == 0
        assert view._ready() is whole._ready()


def test_settings_of_runs_are_the_views_and_the_others_are_not_touched(serverless):
    view = serverless.options(result_limit=10, attempts=5)
    assert (view.settings.attempts, serverless.settings.attempts) == (5, 3)
    with pytest.raises(ResultTooLarge):
        dask.compute(delayed(bytes)(1000), scheduler=view)
    assert dask.compute(delayed(bytes)(1000), scheduler=serverless) == (bytes(1000),)


def test_options_compose_and_the_last_one_counts(serverless):
    view = serverless.options(attempts=5, planner="simple").options(attempts=7)
    assert (view.settings.attempts, view.settings.planner) == (7, "simple")
    assert repr(view) == "Serverless(containers=2).options(attempts=7, planner='simple')"


def test_fewer_containers_may_work_on_a_run_and_never_more(serverless):
    assert serverless.options(containers=1).plan(total()).resources.containers == 1
    assert serverless.options(containers=1).options(containers=2).settings.containers == 2
    with pytest.raises(
        SettingsError, match=r"options\(containers=...\) is 3, but there are only 2"
    ):
        serverless.options(containers=3)


def test_it_is_dasks_default_inside_its_block_and_the_containers_stay(serverless):
    engine = serverless._ready()
    with serverless.options(planner="simple") as view:
        assert total().compute() == 288
        with view.options(planner="wukong") as inner:
            assert total().compute() == 288
        assert inner.last_run is not None
    assert view.last_run is not None
    view.close()
    assert serverless._engine is engine
    assert dask.compute(total(), scheduler=view) == (288,)  # it takes them up again
    assert view._ready() is engine


def test_containers_that_nobody_else_holds_end_with_the_view():
    gc.disable()  # to be dropped must do, also where the collector is late
    try:
        before = set(_engines)
        with Serverless(containers=1).options(attempts=2) as view:
            assert total().compute() == 288
            (engine,) = set(_engines) - before
        assert engine not in _engines
        assert dask.compute(total(), scheduler=view) == (288,)  # anew
        assert view.settings.containers == 1
        view.close()
        assert set(_engines) == before
    finally:
        gc.enable()


def test_a_view_keeps_the_containers_of_an_object_that_is_dropped():
    whole = Serverless(containers=1)
    view, seen = whole.options(attempts=2), weakref.ref(whole)
    engine = whole._engine
    del whole
    assert seen() is not None
    assert dask.compute(total(), scheduler=view) == (288,)
    assert view._ready() is engine
    view.close()
    assert seen() is None and engine not in _engines


def test_to_close_the_object_closes_for_its_views_which_begin_anew():
    whole = Serverless(containers=1)
    view = whole.options(attempts=2)
    whole.close()
    assert dask.compute(total(), scheduler=view) == (288,)
    whole.close()
    assert whole._engine is None


@pytest.mark.parametrize("name", ["memory", "store", "backend", "idle_seconds"])
def test_settings_of_containers_are_refused_with_the_way_out(serverless, name):
    with pytest.raises(SettingsError, match=rf"options\({name}=...\).*Serverless\({name}=...\)"):
        serverless.options(**{name: None})


def test_bad_values_and_names_are_named(serverless):
    with pytest.raises(SettingsError, match=r"options\(attempts=...\) is 0"):
        serverless.options(attempts=0)
    with pytest.raises(TypeError, match="no keyword 'planer'; did you mean 'planner'"):
        serverless.options(planer="auto")
    with pytest.raises(PlanRefused, match="structurl"):
        serverless.options(planner="structurl")


def test_a_view_of_the_ready_made_instance_starts_nothing_before_it_is_used(tmp_path):
    script = """
    import dask
    from dask_serverless import serverless
    view = serverless.options(planner="simple")
    assert serverless._engine is None
    assert view.planner.name == "simple" and serverless._engine is None
    assert dask.compute(dask.delayed(abs)(-1), scheduler=view) == (1,)
    assert serverless._engine is not None
    print(view)
    """
    assert "serverless.options(planner='simple')" in run_script(tmp_path, script)


def test_in_a_container_a_view_computes_there(serverless):
    view = serverless.options(attempts=2)
    inner = delayed(lambda: dask.compute(delayed(abs)(-3), scheduler=view))
    assert dask.compute(inner(), scheduler=view) == ((3,),)


def test_auto_without_a_history_is_structural_and_takes_no_longer_to_come(tmp_path):
    script = """
    import sys
    import dask
    client = Serverless(containers=1)
    assert client.settings.planner == "auto"
    assert dask.compute(dask.delayed(abs)(-1), scheduler=client, deadline="1h") == (1,)
    assert client.last_run.plan.planner == "structural"
    assert "planners.auto" not in sys.modules and "planners.uniform" not in sys.modules
    same = client.options(planner="structural")
    assert client.planner == same.planner
    tell("done")
    """
    assert "done" in run_script(tmp_path, script)


def test_auto_is_itself_where_a_view_turns_the_history_on(serverless, tmp_path):
    assert serverless.planner.name == "structural"
    learning = serverless.options(history=str(tmp_path / "history"))
    assert learning.planner.name == "auto"
    assert learning.planner is learning.planner
    assert learning.options(history=False).planner.name == "structural"
    assert learning.options(planner="wukong").planner.name == "wukong"
    for _ in range(2):
        assert dask.compute(total(), scheduler=learning) == (288,)
    assert learning.last_run.plan.prediction is not None
