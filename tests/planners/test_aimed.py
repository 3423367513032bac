"""Goals for any planner: its own way to meet them, or a judgement of what it planned."""

from math import inf

import pytest
from dag_shapes import independent, random_dag

from planners.aimed import Judged, aimed
from planners.auto import Auto
from planners.cost.model import CostModel
from planners.errors import GoalError, PlanError
from planners.numbers.predictions import Constant
from planners.plans.checked import CheckedPlanner
from planners.plans.plan import Resources
from planners.registry import planner_named
from planners.structural import Structural
from planners.uniform import Uniform

DAG = random_dag(2, 60)
SECOND = Constant(task_seconds=1.0)
RESOURCES = Resources(4)


def test_without_goals_a_planner_is_left_as_it_is():
    planner = planner_named("structural")
    assert aimed(planner) is planner


def test_who_takes_goals_gets_them_and_keeps_what_is_not_told():
    planner = aimed(CheckedPlanner(Auto(SECOND, budget=3.0), "auto"), sla=90, deadline=5.0)
    assert (planner.planner.sla, planner.planner.deadline, planner.planner.budget) == (90, 5.0, 3.0)
    assert aimed(Uniform(SECOND), sla=90).sla == 90
    assert aimed(Structural(), sla=90) == Structural()


def test_infinity_takes_a_goal_back_and_asks_nobody_to_judge():
    checked = CheckedPlanner(Auto(SECOND, deadline=5.0, budget=3.0), "auto")
    planner = aimed(checked, deadline=inf)
    assert (planner.planner.deadline, planner.planner.budget) == (None, 3.0)
    assert aimed(Structural(), "average", inf, inf) == Structural()
    assert aimed(Uniform(SECOND), sla=90, deadline=inf) == Uniform(SECOND, sla=90)
    assert aimed(Uniform(SECOND), deadline=inf, budget=2.0).deadline is None
    unchanged = CheckedPlanner(Auto(SECOND), "auto")
    assert aimed(unchanged, "average", inf, inf) is unchanged


@pytest.mark.parametrize("planner", [Structural(), Uniform(SECOND), planner_named("wukong")])
def test_who_takes_none_is_held_to_them(planner):
    with pytest.raises(GoalError) as caught:
        Judged(SECOND, planner=planner, deadline=0.5).plan(DAG, RESOURCES)
    assert caught.value.fastest_by == planner.name
    kept = Judged(SECOND, planner=planner, deadline=500.0).plan(DAG, RESOURCES)
    assert 1.0 < kept.prediction.makespan_seconds < 500.0


def test_the_judge_has_the_planners_own_numbers():
    judge = aimed(Uniform(SECOND), sla=90, deadline=0.5)
    assert (judge.predictions, judge.sla, judge.deadline) == (SECOND, 90, 0.5)


def test_what_is_known_by_the_judge_is_what_the_planner_goes_by():
    judge = aimed(planner_named("uniform"), deadline=500.0)
    plan = Judged.of(CostModel(SECOND), planner=judge.planner, deadline=500.0).plan(DAG, RESOURCES)
    assert plan.prediction == Uniform(SECOND).plan(DAG, RESOURCES).prediction


def test_made_up_numbers_judge_nothing():
    assert aimed(Structural(), deadline=1e-9).plan(DAG, RESOURCES).prediction is None
    assert aimed(Uniform(), deadline=1e-9).plan(DAG, RESOURCES).prediction is None


def test_a_planner_that_fails_is_blamed_once():
    class Broken:
        name = "broken"

        def plan(self, dag, resources):
            raise ZeroDivisionError("no")

    with pytest.raises(PlanError) as caught:
        aimed(CheckedPlanner(Broken(), "broken"), deadline=1.0).plan(independent(1), RESOURCES)
    assert str(caught.value).count("broken") == 1
