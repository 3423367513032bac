"""auto: goals, what it says about the others, and planners that misbehave."""

import pickle

import numpy as np
import pytest
from dag_shapes import independent, random_dag

from planners.auto import Auto, GoalError
from planners.numbers.predictions import Constant
from planners.plans.annotations import Chosen
from planners.plans.plan import Plan, PlanError, Resources

DAG = random_dag(2, 120)
PREDICTIONS = Constant(task_seconds=5.0, task_output_bytes=20e6, threads=4.0)
RESOURCES = Resources(8)


def fastest():
    return Auto(PREDICTIONS).plan(DAG, RESOURCES)


def test_a_later_deadline_costs_less_and_is_met():
    best = fastest().prediction
    deadline = 3 * best.makespan_seconds
    plan = Auto(PREDICTIONS, deadline=deadline).plan(DAG, RESOURCES)
    assert plan.prediction.makespan_seconds <= deadline
    assert plan.prediction.cost < best.cost


def test_a_small_budget_is_kept_and_takes_longer():
    best = fastest().prediction
    plan = Auto(PREDICTIONS, budget=0.95 * best.cost).plan(DAG, RESOURCES)
    assert plan.prediction.cost <= 0.95 * best.cost
    assert plan.prediction.makespan_seconds >= best.makespan_seconds


@pytest.mark.parametrize(
    "goals, what",
    [
        ({"deadline": 0.001}, "the deadline of 0.001 s"),
        ({"budget": 1e-9}, "the budget of 1e-09"),
        ({"deadline": 0.001, "budget": 1e-9}, "the deadline of 0.001 s and the budget of 1e-09"),
    ],
)
def test_an_impossible_goal_says_what_is_possible(goals, what):
    with pytest.raises(GoalError, match=f"no plan meets {what}: the fastest takes .* the cheapest"):
        Auto(PREDICTIONS, **goals).plan(DAG, RESOURCES)


def test_what_it_says_is_possible_is_possible():
    with pytest.raises(GoalError) as error:
        Auto(PREDICTIONS, deadline=0.001).plan(DAG, RESOURCES)
    possible = error.value.fastest.makespan_seconds
    assert Auto(PREDICTIONS, deadline=possible).plan(DAG, RESOURCES).prediction is not None
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


@pytest.mark.parametrize("goal", [0, -1, float("nan")])
def test_goals_are_above_zero(goal):
    with pytest.raises(PlanError, match="must be above zero"):
        Auto(deadline=goal)


def test_says_why_the_others_lost():
    note = fastest().annotations[0]
    assert isinstance(note, Chosen)
    reasons = dict(note.others)
    assert {"wukong", "simple", "uniform", "structural"} <= {name.split()[0] for name in reasons}
    assert all("takes" in reason for reason in reasons.values())
    assert "not wukong at" in str(fastest())


class Custom:
    name = "mine"

    def __init__(self, plan):
        self.make = plan

    def plan(self, dag, resources):
        return self.make(dag)


def one_bundle(dag):
    zeros = np.zeros(dag.tasks, dtype=np.int32)
    return Plan("mine", zeros, np.zeros(1, np.int32), np.zeros(1, np.int32))


def incomplete(dag):
    return Plan("mine", np.zeros(1, np.int32), np.zeros(1, np.int32), np.zeros(1, np.int32))


def cyclic(dag):
    bundles = np.arange(dag.tasks, dtype=np.int32)[::-1].copy()
    zeros = np.zeros(dag.tasks, dtype=np.int32)
    return Plan("mine", bundles, zeros, zeros)


@pytest.mark.parametrize(
    "plan, reason",
    [
        (lambda dag: 1 / 0, "it raised ZeroDivisionError"),
        (lambda dag: None, "it returned NoneType"),
        (incomplete, "have no bundle"),
        (cyclic, "takes the output of"),
        (one_bundle, "takes .* s more"),
    ],
)
def test_a_custom_planner_competes_and_cannot_do_harm(plan, reason):
    chosen = Auto(PREDICTIONS, planners=(Custom(plan),)).plan(DAG, RESOURCES)
    mine = next(why for name, why in chosen.annotations[0].others if name.startswith("mine"))
    assert np.char.find(mine, reason.split(" .*")[0]) >= 0


def test_a_custom_planner_can_win():
    # One slot for two tasks that are over sooner than another container is there.
    predictions = Constant(task_seconds=0.001, task_output_bytes=0, cold_start_seconds=1.0)
    plan = Auto(predictions, planners=(Custom(one_bundle),)).plan(independent(2), Resources(2))
    assert plan.prediction.makespan_seconds < 1.01
