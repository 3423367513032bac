"""Annotations of a plan: carried out, switched off, or named once where nobody does them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import dask
import dask.array as da
import numpy as np
import pytest
from annotating import Copying
from dask.delayed import delayed

from dask_serverless import Serverless
from dask_serverless.client import ignored
from dask_serverless.client.optimizations import CARRIED_OUT, planner_with
from dask_serverless.errors import SettingsError
from dask_serverless.values import OPTIMIZATIONS
from planners.auto import Auto
from planners.plans.annotations import (
    SUBMISSION,
    DuplicateTask,
    PreloadInputs,
    StartContainers,
    StreamOutputs,
)
from planners.registry import planner_named


@pytest.fixture(autouse=True)
def nothing_told_yet(monkeypatch):
    monkeypatch.setattr(ignored, "_told", set())


@dataclass(frozen=True)
class Asking:
    """Annotates what it is told to."""

    notes: tuple

    name = "asking"

    def plan(self, dag, resources):
        return replace(planner_named("wukong").plan(dag, resources), annotations=self.notes)


def products():
    """A large random array, of which each block is needed three times."""
    x = da.random.default_rng(1).random((400, 400), chunks=200)
    return (x @ x.T).sum()


def noise(*given):
    return float(np.random.default_rng().random())


def test_the_settings_names_are_what_is_carried_out():
    assert set(OPTIMIZATIONS) == set(CARRIED_OUT)
    kinds = [kind for each in CARRIED_OUT.values() for kind in each]
    assert len(set(kinds)) == len(kinds)


def test_copies_of_tasks_are_run_instead_of_moving_their_outputs(serverless):
    expected = dask.compute(products(), scheduler="sync")
    with serverless.options(planner="wukong") as plain:
        assert dask.compute(products()) == pytest.approx(expected)
    with serverless.options(planner=Copying()) as copying, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not all of its tasks may be copied
        assert dask.compute(products()) == pytest.approx(expected)
    assert copying.last_run.bytes_moved < plain.last_run.bytes_moved / 2
    assert list(copying.last_run.optimizations) == ["task_dup"]
    assert "task_dup: " in str(copying.last_run) and "task_dup" not in str(plain.last_run)


def test_copies_are_switched_off_by_the_setting(serverless):
    off = serverless.options(planner=Copying(), optimizations="none")
    with off as scheduler, warnings.catch_warnings():
        warnings.simplefilter("error")  # whoever switches them off knows
        dask.compute(products())
    assert scheduler.last_run.plan.annotations == ()


def test_a_task_that_draws_its_own_numbers_is_never_copied(serverless):
    """Each of its users would see another number."""
    one = delayed(noise)()
    users = [delayed(abs)(one) for _ in range(4)]
    with serverless.options(planner=Copying()):
        with pytest.warns(UserWarning, match=r"'copying' asks .* surely give the same"):
            values = dask.compute(*users)
    assert len(set(values)) == 1


def test_what_nobody_carries_out_is_named_once(serverless):
    notes = (StreamOutputs(0.0, 0, (0,)), "make it fast")
    total = delayed(sum)([delayed(abs)(-1), delayed(abs)(-2)])
    with serverless.options(planner=Asking(notes)):
        with pytest.warns(UserWarning, match="goes on without it: str, streaming"):
            assert dask.compute(total) == (3,)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert dask.compute(total) == (3,)


IMPOSSIBLE = (
    PreloadInputs(0.1, 2, (0,)),  # a bundle without a slot
    PreloadInputs(0.1, 99, (0,)),
    StartContainers(0.1, SUBMISSION, 512, 10**6, 0.0),
    StartContainers(0.1, SUBMISSION, 512, 1, 1e9),
    StartContainers(float("nan"), SUBMISSION, 512, 1, 0.0),
    DuplicateTask(0.1, 0, 1),
)


def test_what_cannot_be_carried_out_is_ignored_with_one_warning_that_names_it(serverless):
    total = delayed(sum)([delayed(abs)(-1), delayed(abs)(-2)])
    good = StartContainers(0.5, SUBMISSION, 512, 1, 0.0)
    with serverless.options(planner=Asking((*IMPOSSIBLE, good))) as view:
        named = r"preload \(bundle 2 has no slot.*bundle is 99.*at most .* containers.* and 2 more"
        with pytest.warns(UserWarning, match=named) as told:
            assert dask.compute(total) == (3,)
            assert dask.compute(total) == (3,)
            str(view.plan(total))
        assert len(told) == 1 and told[0].filename == __file__
        assert view.last_run.plan.annotations == (good,)
        asked = view.last_run.optimizations
        assert {name: (one.times, one.planned_seconds) for name, one in asked.items()} == {
            "prewarm": (1, 0.5)
        }


def test_what_is_switched_off_and_wrong_besides_is_not_told(serverless):
    total = delayed(sum)([delayed(abs)(-1), delayed(abs)(-2)])
    with serverless.options(planner=Asking(IMPOSSIBLE), optimizations="none") as view:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert dask.compute(total) == (3,)
    assert view.last_run.plan.annotations == ()


def test_callbacks_see_each_task_once_and_its_value(serverless):
    seen = []
    callback = dask.callbacks.Callback(posttask=lambda key, value, *_: seen.append((key, value)))
    x = da.ones(40, chunks=10)
    with serverless.options(planner=Copying()), callback, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert dask.compute((x + 1).sum() + (x + 2).sum()) == (200.0,)
    assert len(seen) == len({key for key, _ in seen})
    assert all(value is not None for _, value in seen)


def test_auto_counts_only_on_what_is_switched_on():
    names = {one.name for one in planner_with(Auto(), ("task_dup",)).optimizations}
    assert names == {"task_dup"}
    assert planner_with(Auto(), ()).optimizations == ()


@pytest.mark.parametrize(
    ("value", "names"),
    [("all", OPTIMIZATIONS), ("none", ()), (["task_dup"], ("task_dup",)), ([], ())],
)
def test_the_setting_takes_all_none_or_names(value, names):
    from dask_serverless.config import Settings

    assert Settings.gather(optimizations=value).optimizations == names


@pytest.mark.parametrize("value", ["task-dup", ["faster"], 3])
def test_other_names_are_refused(value):
    with pytest.raises(SettingsError, match=r"must be all, none or some of"):
        Serverless(optimizations=value)
