"""auto: goals, what it says about the others, and planners that misbehave."""

import pickle
import sys
from collections import Counter
from dataclasses import replace
from time import thread_time

import numpy as np
import pytest
from dag_shapes import independent, random_dag

from planners.aimed import Judged
from planners.auto import Auto
from planners.cost.allowance import MOST_SECONDS, Allowance, Effort
from planners.cost.platform import Platform
from planners.errors import GoalError
from planners.graph.chains import chain_of_tasks
from planners.graph.dag import Dag
from planners.list_schedule import EFFORT, ListSchedule
from planners.numbers.measured import Measured
from planners.numbers.outcomes import Outcome, Outcomes
from planners.numbers.predictions import VCPU_MB, Constant, Unmeasured
from planners.numbers.sketch import Sketch
from planners.plans.annotations import Chosen
from planners.plans.goals import Goals
from planners.plans.plan import Plan, PlanError, Prediction, Resources
from planners.structural import Structural

DAG = random_dag(2, 120)
PREDICTIONS = Constant(task_seconds=5.0, task_output_bytes=20e6, threads=4.0)
RESOURCES = Resources(8)
TIME_ENOUGH = 60.0  # seconds, to try all plans however busy the machine is


def fastest():
    return Auto(PREDICTIONS, seconds=TIME_ENOUGH).plan(DAG, RESOURCES)


def test_a_later_deadline_costs_less_and_is_met():
    best = fastest().prediction
    deadline = 3 * best.makespan_seconds
    plan = Auto(PREDICTIONS, deadline=deadline, seconds=TIME_ENOUGH).plan(DAG, RESOURCES)
    assert plan.prediction.makespan_seconds <= deadline
    assert plan.prediction.cost < best.cost


def test_what_costs_as_much_is_not_said_to_cost_nothing_more():
    plan = Auto(Constant(), deadline=1e6, seconds=TIME_ENOUGH).plan(independent(1), RESOURCES)
    assert "costs as much and takes" in plan.why
    assert "0.000000 more" not in plan.why


def test_a_small_budget_is_kept_and_takes_longer():
    best = fastest().prediction
    goal = Auto(PREDICTIONS, budget=0.95 * best.cost, seconds=TIME_ENOUGH)
    plan = goal.plan(DAG, RESOURCES)
    assert plan.prediction.cost <= 0.95 * best.cost
    assert plan.prediction.makespan_seconds >= best.makespan_seconds


def test_a_budget_for_fewer_containers_is_not_called_too_small():
    """A hundred containers started for twenty tasks of 10 ms each, at three times the cost of one that
    ran them all, and "none is cheaper", said the error."""
    one_size = Platform(memory_sizes_mb=(1769,), alike=True)
    auto = Auto(Constant(task_seconds=0.01, task_output_bytes=1e3), one_size, seconds=TIME_ENOUGH)
    dag, many = independent(2000), Resources(100)
    dearest = auto.plan(dag, many).prediction.cost
    plan = replace(auto, budget=dearest / 2).plan(dag, many)
    assert plan.prediction.cost <= dearest / 2
    assert 1 < plan.prediction.cold_starts < 50
    assert len(set(plan.slots.tolist())) == plan.prediction.cold_starts
    with pytest.raises(GoalError, match="cheapest takes .* on 1 at"):
        replace(auto, budget=1e-9).plan(dag, many)


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


def test_an_impossible_goal_names_one_plan_once():
    only = Prediction(2.0, 1.0, gb_seconds=1.0, cold_starts=1, bytes_moved=0)
    alone = Goals(deadline=1e-5).impossible([("uniform", only)])
    assert str(alone) == (
        "no plan meets the deadline of 1e-05 s: the fastest takes 2.000 s and costs 1.000000 "
        "(uniform), and none is cheaper; allow more time, money or containers"
    )


def test_what_it_says_is_possible_is_possible():
    with pytest.raises(GoalError) as error:
        Auto(PREDICTIONS, deadline=0.001).plan(DAG, RESOURCES)
    possible = error.value.fastest.makespan_seconds
    assert Auto(PREDICTIONS, deadline=possible).plan(DAG, RESOURCES).prediction is not None
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


@pytest.mark.parametrize("goal", [0, -1, float("nan"), float("-inf"), "30s", True, [1]])
@pytest.mark.parametrize("name", ["deadline", "budget"])
def test_goals_are_numbers_above_zero(name, goal):
    for make in (Auto, Goals):
        with pytest.raises(PlanError, match=f"{name} is .*must be above zero") as error:
            make(**{name: goal})
        assert error.value.goal == name


@pytest.mark.parametrize("sla", ["median", 0, 101, 50.0, True, None, float("nan")])
def test_an_sla_is_average_or_a_percentile(sla):
    for make in (Auto, Goals):
        with pytest.raises(PlanError, match='use "average" or a whole percentile'):
            make(sla=sla)


def test_the_error_says_which_planner_could_do_what():
    with pytest.raises(GoalError) as error:
        Auto(PREDICTIONS, budget=1e-9).plan(DAG, RESOURCES)
    cheapest = error.value.cheapest
    assert error.value.cheapest_by in str(error.value)
    assert Auto(PREDICTIONS, budget=cheapest.cost).plan(DAG, RESOURCES).prediction == cheapest


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


# How long it plans


class Clock:
    """Time that passes by so much with every look at it, and not otherwise."""

    def __init__(self, step):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


def tried(plan):
    """What was predicted, and what was left out."""
    note = plan.annotations[0]
    reasons = dict(note.others)
    left_out = {name for name, why in reasons.items() if why.startswith("not tried")}
    return {note.name, *reasons} - left_out, left_out


@pytest.mark.parametrize(
    "predictions", [Unmeasured(), Measured({}, fallback=Unmeasured(cold_start_seconds=0.1))]
)
def test_without_history_it_is_structural(predictions):
    for dag in (DAG, independent(1), independent(0)):
        for auto in (Auto(predictions), Auto(predictions, deadline=1e-9)):
            assert auto.plan(dag, RESOURCES) == Structural().plan(dag, RESOURCES)


def test_without_history_it_takes_no_extra_time():
    dag = random_dag(1, 3000)

    def calls(planner):
        made = Counter()
        sys.setprofile(lambda frame, event, function: made.update([event]))
        try:
            planner.plan(dag, RESOURCES)
        finally:
            sys.setprofile(None)
        return made["call"] + made["c_call"]

    assert calls(Auto()) < calls(Structural()) + 100 < 100_000


def test_history_of_other_functions_is_none():
    measured = Measured({"other": Sketch().add([(1769, 0, 1, 0, 0)], 0)}, fallback=Unmeasured())
    dag = replace(DAG, function_names=("mine",))
    assert Auto(measured).plan(dag, RESOURCES) == Structural().plan(dag, RESOURCES)
    dag = replace(DAG, function_names=("other",))
    assert Auto(measured).plan(dag, RESOURCES).prediction is not None


def test_no_slots_are_planned_by_guesses_but_goals_are_judged_by_them():
    known = {"known": Sketch().add([(1769, 0, 1, 0, 0)], 0)}
    measured = Measured(known, fallback=Unmeasured(task_seconds=5.0))
    functions = np.arange(DAG.tasks, dtype=np.int32) % 2
    dag = replace(DAG, function_names=("known", "new"), functions=functions)
    plan = Auto(measured, seconds=10.0).plan(dag, RESOURCES)
    assert way_of(plan).startswith("structural at")
    assert "some functions were never measured" in str(plan)
    plan = Auto(measured, seconds=10.0, deadline=1e6).plan(dag, RESOURCES)
    assert len(tried(plan)[0]) > 3


@pytest.mark.parametrize("planner", [Auto, Judged])
def test_guesses_refuse_no_run_but_what_is_known_does(planner):
    known = {"known": Sketch().add([(1769, 0, 1, 0, 0)], 0)}
    measured = Measured(known, fallback=Unmeasured(task_seconds=5.0, cold_start_seconds=0.0))
    functions = np.arange(DAG.tasks, dtype=np.int32) % 2
    dag = replace(DAG, function_names=("known", "new"), functions=functions)
    with pytest.raises(GoalError) as caught:
        planner(measured, deadline=1.0).plan(dag, RESOURCES)
    guessed = 0.9 * caught.value.fastest.makespan_seconds
    assert planner(measured, deadline=guessed).plan(dag, RESOURCES).prediction is not None
    with pytest.raises(GoalError):  # of these all were measured
        all_known = Measured({**known, "new": known["known"]}, fallback=Unmeasured())
        planner(all_known, deadline=5.0).plan(dag, RESOURCES)


def test_a_step_of_fused_tasks_that_no_task_consists_of_is_no_guess():
    known = {"known": Sketch().add([(1769, 0, 1, 0, 0)], 0)}
    measured = Measured(known, fallback=Unmeasured(task_seconds=5.0))
    functions = np.ones(DAG.tasks, dtype=np.int32)
    dag = replace(DAG, function_names=("step", "known"), functions=functions)
    assert len(tried(Auto(measured, seconds=10.0).plan(dag, RESOURCES))[0]) > 3


def test_history_of_some_functions_is_none_if_nothing_stands_in_for_the_others():
    measured = Measured({"known": Sketch().add([(1769, 0, 1, 0, 0)], 0)})
    functions = np.arange(DAG.tasks, dtype=np.int32) % 2
    dag = replace(DAG, function_names=("known", "new"), functions=functions)
    assert Auto(measured).plan(dag, RESOURCES) == Structural().plan(dag, RESOURCES)


def test_planning_stops_when_its_time_is_spent():
    plan = Auto(PREDICTIONS, seconds=0).plan(DAG, RESOURCES)
    assert tried(plan)[0] == {"structural at 7076 MB"}
    everything, left_out = tried(Auto(PREDICTIONS, seconds=np.inf).plan(DAG, RESOURCES))
    assert not left_out
    some, left_out = tried(Auto(PREDICTIONS, seconds=9.5, clock=Clock(1.0)).plan(DAG, RESOURCES))
    assert 1 < len(some) < len(everything)
    assert left_out


def test_more_time_never_makes_a_worse_plan():
    makespans = [
        Auto(PREDICTIONS, seconds=seconds, clock=Clock(1e-3)).plan(DAG, RESOURCES).prediction
        for seconds in (0, 0.01, 0.1, 1, np.inf)
    ]
    times = [prediction.makespan_seconds for prediction in makespans]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("step", [0.0, 1e-4, 0.1])
def test_the_same_clock_gives_the_same_plan(step):
    one, other = (Auto(PREDICTIONS, clock=Clock(step)).plan(DAG, RESOURCES) for _ in range(2))
    assert one == other


def test_without_a_clock_a_busy_machine_tries_as_much_as_an_idle_one():
    """Everything took what it was estimated to take: more seconds, more tries, up to all of them."""
    nothing, some, everything = (
        tried(Auto(PREDICTIONS, seconds=seconds, clock=None).plan(DAG, RESOURCES))
        for seconds in (0, 0.1, np.inf)
    )
    assert nothing[0] == {"structural at 7076 MB"}
    assert nothing[0] < some[0] < everything[0]
    assert not everything[1]


def test_without_a_clock_nobody_waits_for_the_run_so_planning_takes_no_share_of_a_long_one():
    by_clock, by_effort = Allowance(Clock(1e-9), None), Allowance(None, None)
    for allowance in (by_clock, by_effort):
        allowance.did(1.0)
    assert by_effort.left(1.0) == 0.0
    assert by_effort.left(200.0) == pytest.approx(9.0)
    assert by_effort.left(1e6) == by_effort.left(1e9) == MOST_SECONDS - 1.0
    assert by_clock.left(1e9) > by_clock.left(1e6)


def test_planning_takes_a_twentieth_of_the_makespan_or_two_milliseconds():
    for task_seconds, seconds in ((1e-4, 0.05), (0.05, 0.15)):
        predictions = Constant(task_seconds, task_output_bytes=0, cold_start_seconds=0.0)
        auto, dag = Auto(predictions), random_dag(1, 300)
        auto.plan(dag, RESOURCES)  # what is looked up once
        began = thread_time()
        plan = auto.plan(dag, RESOURCES)
        assert thread_time() - began < max(seconds, 0.1 * plan.prediction.makespan_seconds)


def test_slots_are_tried_only_as_often_as_there_is_time_for(monkeypatch):
    """A pass over few slots takes longer than its looks at them: there is a loop around these."""
    planners = []
    fastest = ListSchedule.fastest

    def noted(self, workload, *others):
        planners.append(self)
        return fastest(self, workload, *others)

    monkeypatch.setattr(ListSchedule, "fastest", noted)
    dag, slots = random_dag(3, 400), 2
    Auto(PREDICTIONS, seconds=np.inf, clock=Clock(1e-6)).plan(dag, Resources(slots))
    assert planners
    units = int(chain_of_tasks(dag).max()) + 1
    once = Effort.earliest_finish(units, slots) + Effort.timeline(dag.tasks, units)
    passes = max(planner.effort for planner in planners) / (units * slots)
    assert passes * once <= EFFORT / 1e6 + once


def test_goals_are_looked_for_also_when_the_time_is_spent():
    best = fastest().prediction.makespan_seconds
    plan = Auto(PREDICTIONS, deadline=best, seconds=0).plan(DAG, RESOURCES)
    assert plan.prediction.makespan_seconds <= best


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_planning_time_is_a_number(seconds):
    with pytest.raises(PlanError, match="seconds is"):
        Auto(seconds=seconds)


def way_of(plan):
    (note,) = (note for note in plan.annotations if isinstance(note, Chosen))
    return note.name


SOONEST = way_of(fastest())
MODELLED = fastest().prediction.modelled_seconds
STRUCTURAL = f"structural at {SOONEST.partition(' at ')[2].partition(' MB')[0]} MB"


def way_after(outcomes):
    return way_of(
        Auto(PREDICTIONS, outcomes=outcomes, seconds=10.0, clock=float).plan(DAG, RESOURCES)
    )


def after_runs(swings):
    """Where its own way took 0.95 of structural's time, give or take."""
    known = Outcomes()
    for way, middle in ((STRUCTURAL, 1.0), (SOONEST, 0.95)):
        known = known.after(way, [Outcome(MODELLED, middle * swing) for swing in swings], [])
    return way_after(known)


def test_of_runs_that_swing_the_luckiest_way_is_not_taken_for_the_best():
    assert after_runs([0.6, 1.4, 1.0] * 3) == STRUCTURAL


def test_of_steady_runs_a_small_gain_is_taken():
    assert after_runs([0.99, 1.01, 1.0] * 3) == SOONEST != STRUCTURAL


@pytest.mark.parametrize(("near", "chosen"), [(1.5, STRUCTURAL), (1.01, SOONEST)])
def test_structure_alone_gets_its_chance_though_all_that_ran_was_faster_than_modelled(
    monkeypatch, near, chosen
):
    """Which of two plans was run first must not decide for ever."""
    monkeypatch.setattr("planners.auto.NEAR", near)
    known = Outcomes().after(SOONEST, [Outcome(MODELLED, MODELLED / 4)] * 9, [])
    assert way_after(known) == chosen
    known = known.after(STRUCTURAL, [Outcome(MODELLED, MODELLED / 2)] * 3, [])
    assert way_after(known) == SOONEST


def first_of_known_functions(seconds_apart):
    """A graph that never ran, of functions that did; slots by numbers are so much faster."""
    rows = [(VCPU_MB, 0.0, seconds, 8.0, 8.0) for seconds in seconds_apart]
    names = [f"f{number}" for number in range(len(rows))]
    sketches = {name: Sketch().add([row], 1) for name, row in zip(names, rows, strict=True)}
    dag = Dag.from_edges(len(rows), [], [], functions=range(len(rows)), function_names=names)
    auto = Auto(Measured(sketches, fallback=Constant()), seconds=10.0, clock=float)
    return auto.plan(dag, Resources(2))


def test_a_graph_that_never_ran_goes_by_structure_unless_numbers_promise_much_more():
    assert first_of_known_functions([0.1] * 9 + [0.11]).planner == "structural"
    assert first_of_known_functions([0.01] * 60 + [1.0, 1.0, 1.0, 1.0]).planner != "structural"
