"""Registry: built-in planners, those of packages, and those that misbehave."""

import pickle
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from dag_shapes import independent, tree

from planners import registry
from planners.errors import BadPrediction, GoalError, MissingPrediction, Stalled, TooLittleMemory
from planners.plans.plan import Plan, PlanError, Prediction, Resources
from planners.registry import CheckedPlanner, UnknownPlanner, known_planners, planner_named

PREDICTION = Prediction(1.0, 0.5, 2.0, 3, 4)


class OneBundle:
    """What a user may write: lists instead of arrays."""

    name = "one_bundle"

    def plan(self, dag, resources):
        return Plan(self.name, [0] * dag.tasks, [-1], [0])


class Returns(OneBundle):
    def __init__(self, answer):
        self.answer = answer

    def plan(self, dag, resources):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def bundles(*values):
    count = max(values) + 1
    return Plan("bad", np.array(values), np.full(count, -1), np.zeros(count, dtype=int))


@pytest.fixture
def installed(monkeypatch):
    """Entry points as if packages that offer them were installed."""

    def install(**values):
        found = [EntryPoint(name, value, registry.GROUP) for name, value in values.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: found)

    return install


def test_the_built_in_planners_are_known():
    assert {"structural", "wukong", "simple", "uniform", "non_uniform", "list_schedule"} <= set(
        known_planners()
    )


def test_a_planner_of_a_package_is_found(installed):
    installed(mine="test_registry:OneBundle")
    assert "mine" in known_planners()
    plan = planner_named("mine").plan(independent(3), Resources(1))
    assert plan.bundles.dtype == np.int32
    assert plan.bundles.tolist() == [0, 0, 0]


def test_a_package_cannot_take_a_built_in_name(installed):
    installed(wukong="test_registry:OneBundle")
    assert len(planner_named("wukong").plan(independent(3), Resources(1)).slots) == 3


def test_a_planner_that_cannot_be_imported_says_so(installed):
    installed(mine="no_such_module:Planner")
    with pytest.raises(PlanError, match="'mine' .*cannot be imported: No module"):
        planner_named("mine")


def test_an_unknown_name_lists_the_known_and_the_closest():
    message = r"'structual'\. Did you mean 'structural'\? Known: auto, .*, wukong"
    with pytest.raises(UnknownPlanner, match=message):
        planner_named("structual")


def test_wrong_settings_name_the_planner():
    with pytest.raises(PlanError, match="planner 'wukong' cannot be made: .*speed"):
        planner_named("wukong", speed=3)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (ZeroDivisionError("oops"), "planner 'bad': it raised ZeroDivisionError: oops"),
        (None, "planner 'bad': it returned NoneType, not a Plan"),
        (bundles(0, 0), "planner 'bad': 1 of 3 tasks have no bundle, first task 2"),
        (bundles(1, 1, 0), "planner 'bad': task 2 .* takes the output of task 0"),
        (Plan("bad", ["x"], [0], [0]), "planner 'bad': bundles must be .* integers"),
        (Plan("bad", [0, 0, 0], [0], [2**32 + 512]), "planner 'bad': memory_mb has 4294967808: no"),
        (Plan("bad", [0, 0, 2**32], [0], [0]), "planner 'bad': bundles has 4294967296: no number"),
        (Plan("bad", [0, 0, 0], [2**31], [0]), "planner 'bad': slots has 2147483648: no number"),
    ],
)
def test_a_planner_that_misbehaves_is_named(answer, message):
    with pytest.raises(PlanError, match=message) as error:
        CheckedPlanner(Returns(answer), "bad").plan(tree(2), Resources(1))
    assert error.value.planner == "bad"


@pytest.mark.parametrize(
    "error",
    [
        TooLittleMemory(3, "task 3", 4000.0, 512),
        GoalError("the deadline of 1 s", PREDICTION, PREDICTION, "uniform", "wukong"),
        Stalled(1, 2, 3),
        BadPrediction("execution time", "f", -1.0),
        MissingPrediction("execution time", "f"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_a_planner_keeps_its_kind_and_its_data(error):
    with pytest.raises(type(error)) as raised:
        CheckedPlanner(Returns(error), "bad").plan(tree(2), Resources(1))
    assert str(raised.value) == f"planner 'bad': {error}"
    assert vars(raised.value) == {**vars(error), "planner": "bad"}
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (type(copy), str(copy), vars(copy)) == (
        type(error),
        str(raised.value),
        vars(raised.value),
    )


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(PlanError("no", planner="mine", task=3)))
    assert (str(error), error.planner, error.task) == ("no", "mine", 3)
