"""Plans that are made once and used again, and the platform as it was found."""

from __future__ import annotations

import time
from dataclasses import replace

import dask
import numpy as np
import pytest
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.backends.local import LocalBackend
from dask_serverless.client.informing import decisive, prepared
from dask_serverless.client.warmth import Warmth
from dask_serverless.history.archive import MemoryArchive
from dask_serverless.history.entry import Entry
from dask_serverless.history.history import History
from dask_serverless.history.observations import Followed, Observations, Overhead
from dask_serverless.history.plans_made import (
    LEARNING,
    LESSON_SECONDS,
    MOST_PLANS,
    SETTLED,
    Keys,
    PlansMade,
    Remembered,
)
from dask_serverless.history.platform import measured_platform
from dask_serverless.history.signature import signature
from planners.auto import Auto
from planners.cost.model import CostModel
from planners.cost.platform import Platform
from planners.graph.dag import Dag
from planners.numbers.predictions import Constant
from planners.numbers.workload import function_names
from planners.plans.goals import Goals
from planners.plans.plan import Resources

DAG = Dag.from_edges(3, [0, 1], [2, 2], function_names=("f",))
NUMBERS = Constant(task_seconds=1.0)
NO_GOALS = Goals()


def remembered(goals: Goals = NO_GOALS, spent: float = 0.1, times: int = LEARNING) -> Remembered:
    plan = Auto(NUMBERS).plan(DAG, Resources(2))
    return Remembered("graph", plan, CostModel(NUMBERS), goals, spent, times=times)


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_a_plan_is_used_again_until_runs_have_taken_what_planning_may_cost() -> None:
    made = remembered(spent=0.1)
    assert made.will_do
    for _ in range(5):
        made.came(1.0, 1.0)
    assert not made.will_do


def test_plans_settle() -> None:
    often = remembered(spent=0.1, times=LEARNING + 100)
    for _ in range(5 * (SETTLED - 1)):
        often.came(1.0, 1.0)
    assert often.will_do
    for _ in range(5):
        often.came(1.0, 1.0)
    assert not often.will_do


def test_runs_in_a_tight_loop_are_measured_now_and_then() -> None:
    made = remembered()
    taught = [made.teaches(now / 1000) for now in range(1000)]
    assert taught[0] and sum(taught) == pytest.approx(1 / LESSON_SECONDS, abs=1)
    new = remembered(times=LEARNING - 1)
    assert all(new.teaches(now / 1000) for now in range(10))


def test_while_a_graph_is_new_it_is_planned_each_time() -> None:
    assert not remembered(times=LEARNING - 1).will_do


def test_a_plan_whose_runs_miss_the_deadline_is_not_used_again() -> None:
    made = remembered(Goals(deadline=4.0), spent=100.0)
    assert made.will_do
    told = made.came(5.0, 5.0)
    assert not made.will_do
    assert told[0].seconds == 5.0 and told[0].graph == "graph"
    assert made.plan.prediction is not None and made.plan.prediction.runs == 1


def test_why_a_plan_was_chosen_says_how_old_that_is() -> None:
    """Beside a forecast of 5 s stood that it was chosen for its 2 s, and others not, for their 3."""
    made = remembered(spent=100.0)
    before = made.plan.why.splitlines()
    made.came(5.0, 5.0)
    once = made.plan.why.splitlines()
    assert once == [f"{before[0]}, as known before the last run", *before[1:]]
    made.came(5.0, 5.0)
    assert made.plan.why.splitlines()[0] == f"{before[0]}, as known before the last 2 runs"


def test_what_came_of_a_plan_by_guesses_says_nothing_of_the_next_one() -> None:
    made = replace(remembered(times=1), guessed=True)
    before = made.plan.prediction
    assert made.came(50.0, 50.0) == [] and made.plan.prediction == before
    assert replace(made, times=2).came(50.0, 50.0)  # of a function that is never measured


def test_only_the_last_plans_are_kept() -> None:
    plans = PlansMade()
    for number in range(MOST_PLANS):
        plans.keep(Keys(("exact", number), ("alike", number)), remembered())
    assert len(plans.plans) == MOST_PLANS
    assert plans.find(("exact", 0)) is None and plans.find(("exact", MOST_PLANS - 1))


def test_plans_for_other_goals_hear_what_came_of_their_graph() -> None:
    """Of a plan with sla=99 that nobody runs, the forecast stayed what it was when it was made."""
    plans = PlansMade()
    usual, careful = remembered(), replace(remembered(), model=CostModel(NUMBERS, sla=99))
    other = replace(remembered(), graph="another graph")
    for number, made in enumerate((usual, careful, other)):
        plans.keep(Keys(("exact", number), ("alike", number)), made)
    before = other.plan.prediction
    for _ in range(3):
        plans.follow(usual, usual.came(30.0, 30.0))
    assert plans.find(("exact", 0)) is usual and usual.plan.prediction.runs == 3, "not twice"
    found = plans.find(("exact", 1))
    assert found is careful and found.plan.prediction.runs == 3 and found.ran == 90.0
    assert found.plan.prediction.makespan_seconds > 30.0
    assert plans.find(("alike", 1)).plan.prediction.runs == 3
    assert plans.find(("exact", 2)).plan.prediction == before
    late = replace(careful, heard=0, told=[])
    plans.keep(Keys(("exact", 3), ("alike", 3)), late)
    assert plans.find(("exact", 3)).plan.prediction.runs == 3, "it was made of what was known then"


@pytest.mark.parametrize(
    "other",
    [
        Dag.from_edges(3, [0, 1], [1, 2], function_names=("f",)),
        Dag.from_edges(3, [0, 1], [2, 2], function_names=("g",)),
        Dag.from_edges(3, [0, 1], [2, 2], function_names=("f",), wanted=[0, 2]),
        Dag.from_edges(4, [0, 1], [2, 2], function_names=("f",)),
    ],
)
def test_graphs_are_told_apart_by_all_that_decides_a_plan(other: Dag) -> None:
    auto = prepared(Auto(), ()).settings
    mine, same = (decisive(auto, dag, ("f",), "graph", 2) for dag in (DAG, DAG))
    assert mine == same
    assert decisive(auto, other, function_names(other), "graph", 2).exact != mine.exact
    assert decisive(auto, DAG, ("f",), "graph", 1).alike != mine.alike


class Unhashable:
    """A user's own planner among the candidates."""

    name = "own"
    __hash__ = None

    def plan(self, dag: Dag, resources: Resources) -> None:
        raise NotImplementedError


def test_planners_with_other_settings_share_no_plans() -> None:
    planners = [Auto(), Auto(sla=90), Auto(deadline=1.0), Auto(planners=(Unhashable(),))]
    known = [prepared(planner, ()).settings for planner in planners]
    assert len(set(known)) == len(planners)
    assert known[0] == prepared(Auto(), ()).settings
    again = planners[1]
    assert prepared(again, ()) is prepared(again, ())


def test_graphs_of_about_the_same_functions_and_size_share_outcomes() -> None:
    assert signature(
        (
            "a",
            "b",
        ),
        65,
        2,
    ) == signature(
        (
            "b",
            "a",
            "a",
        ),
        69,
        2,
    )
    assert signature(("a",), 65, 2) != signature(
        (
            "a",
            "b",
        ),
        65,
        2,
    )
    assert len({signature(("a",), 65, 2), signature(("a",), 650, 2), signature(("a",), 65, 4)}) == 3


def test_what_came_of_a_plan_is_known_in_other_processes() -> None:
    archive = MemoryArchive()
    history = History(archive)
    followed = [Followed("graph", "uniform at 1769 MB", 1.0, 1.5 + n, 2.0, 4.0) for n in range(3)]
    history.record(Observations(followed=followed))
    history.save()
    outcomes = History(archive).predictions().followed.outcomes("graph")
    assert outcomes.runs("uniform at 1769 MB") == 3
    assert outcomes.makespan("uniform at 1769 MB", 1.0, "average") == pytest.approx(2.5)
    assert not History(archive).predictions().followed.outcomes("grap")


@pytest.mark.parametrize("wrong", [float("nan"), -1.0, float("inf"), 1e12])
def test_outcomes_of_a_clock_that_jumped_are_dropped(wrong: float) -> None:
    history = History(MemoryArchive())
    history.record(Observations(followed=[Followed("graph", "auto", 1.0, wrong, 1.0, 1.0)]))
    assert not history.predictions().followed.outcomes("graph")
    assert history.dropped == 1


def test_the_platform_is_as_it_was_found() -> None:
    history = History(MemoryArchive())
    overheads = [Overhead(n, 0.001 + 0.0001 * n) for n in range(1, 20)]
    history.record(Observations(publishes=[0.0002] * 9 + [1.0], overheads=overheads))
    entries: dict[str, Entry] = dict(history.predictions().platform)
    found = measured_platform(Platform(), entries, warm=2)
    assert found.publish_seconds == pytest.approx(0.0002, rel=0.01), "one slow answer is no rule"
    assert found.bundle_seconds == pytest.approx(0.001, rel=0.05)
    assert found.task_seconds == pytest.approx(0.0001, rel=0.05)
    assert (1769, 2) in found.warm
    assert measured_platform(Platform(), {}, 0).publish_seconds == 0.001


def test_containers_are_warm_until_they_have_idled_too_long() -> None:
    warmth = Warmth(idle_seconds=0.2)
    warmth.heard(["a", "b"])
    warmth.heard(["b"])
    assert warmth.count() == 2
    time.sleep(0.2)
    assert warmth.count() == 0


def test_containers_of_a_backend_that_was_made_elsewhere_idle_as_long_as_it_says() -> None:
    """They were taken to be warm for a minute, and what starts cold was forecast as if it was not."""
    backend = LocalBackend(1, idle_seconds=0.3)
    with Serverless(backend=backend, planner=Auto(Constant(cold_start_seconds=5.0))) as client:
        task = delayed(abs)(-1)
        dask.compute(task, scheduler=client)
        assert client.plan(task).prediction.makespan_seconds < 1
        time.sleep(0.4)
        assert client.plan(task).prediction.makespan_seconds > 5


def test_a_graph_that_was_run_before_is_forecast_from_its_runs(tmp_path) -> None:
    with Serverless(containers=2, planner="auto", history=str(tmp_path / "history")) as client:
        for _ in range(4):
            total = delayed(sum)([delayed(nap)(0.05) for _ in range(4)])
            assert dask.compute(total, scheduler=client) == (0.2,)
    report = client.last_run
    forecast = report.plan.prediction
    assert forecast.samples >= 4 and forecast.runs >= 1
    assert forecast.makespan_seconds == pytest.approx(report.makespan_seconds, rel=0.8)
    assert np.isclose(forecast.modelled_seconds, 0.1, rtol=0.8)


def test_percentiles_of_a_plan_follow_runs_that_had_other_goals(tmp_path) -> None:
    """They stayed at 0.36 s beside an average of 2 s, after ten runs of two seconds."""
    pace = tmp_path / "pace"

    def work(number: int) -> int:
        time.sleep(float(pace.read_text()))
        return number

    naps = [delayed(work)(number) for number in range(4)]
    with Serverless(containers=2, history=str(tmp_path / "history")) as client:
        for seconds in ["0.01"] * 2 * LEARNING + ["0.2"] * 4:
            pace.write_text(seconds)
            client.plan(naps, sla=90)
            dask.compute(naps, scheduler=client)
        assert client.plan(naps, sla=90).prediction.makespan_seconds > 0.2
