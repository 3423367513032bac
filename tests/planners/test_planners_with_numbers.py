"""What must hold of every planner that works with predictions, on any graph."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from dag_shapes import chain, fan_out, from_pairs, independent, random_dag, tree
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import SIZES_MB, platforms, workloads

from planners.auto import Auto
from planners.cost.platform import Platform, Prices
from planners.cost.timeline import lower_bound_seconds, predict_timeline
from planners.errors import BadPrediction, TooLittleMemory, UnknownSla
from planners.list_schedule import ListSchedule
from planners.non_uniform import NonUniform, best_memory
from planners.numbers.predictions import VCPU_MB, Constant, Line
from planners.plans.plan import Plan, PlanError, Resources
from planners.registry import planner_named
from planners.uniform import Uniform

PLANNERS = [Uniform, NonUniform, ListSchedule, Auto]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PLANNERS), workloads(), platforms(), st.integers(1, 5))
def test_random_graphs_get_valid_plans_above_the_lower_bound(
    planner, workload, platform, containers
):
    dag, resources = workload.dag, Resources(containers)
    plan = planner(workload.predictions, platform).plan(dag, resources)
    plan.validate(dag)
    assert Plan.from_json(plan.to_json()) == plan
    # No optimization makes a start-up warm that comes first, nor a task shorter.
    bound = lower_bound_seconds(workload, max(SIZES_MB), platform, resources)
    assert plan.prediction.makespan_seconds >= bound - 1e-9
    assert plan.prediction == predict_timeline(plan, workload, platform, resources).prediction()


@pytest.mark.parametrize("planner", PLANNERS)
@pytest.mark.parametrize(
    "dag", [independent(0), independent(1), chain(30), tree(40), fan_out(50), random_dag(3, 300)]
)
@pytest.mark.parametrize("containers", [1, 7, 100])
def test_known_shapes_get_valid_plans(planner, dag, containers):
    planner().plan(dag, Resources(containers)).validate(dag)


@settings(max_examples=60, deadline=None)
@given(workloads(), platforms(), st.integers(1, 5))
def test_auto_is_never_worse_than_what_it_chooses_from(workload, platform, containers):
    memory = best_memory(workload, platform)
    resources = Resources(containers, memory)
    auto = Auto(workload.predictions, platform, seconds=np.inf)
    plan = auto.plan(workload.dag, Resources(containers))
    for name in ("wukong", "simple", "uniform", "structural"):
        planner = (
            planner_named(name) if name != "uniform" else Uniform(workload.predictions, platform)
        )
        other = predict_timeline(
            planner.plan(workload.dag, resources), workload, platform, resources
        )
        assert plan.prediction.makespan_seconds <= other.makespan_seconds + 1e-9


@settings(max_examples=60, deadline=None)
@given(workloads(), platforms(), st.integers(1, 5), st.sampled_from([0.0, 0.1]))
def test_non_uniform_keeps_the_makespan_and_costs_no_more(workload, platform, containers, slack):
    resources = Resources(containers)
    memory = best_memory(workload, platform)
    uniform = Uniform(workload.predictions, platform, memory_mb=memory)
    before = uniform.plan(workload.dag, resources).prediction
    planner = NonUniform(workload.predictions, platform, slack=slack)
    after = planner.plan(workload.dag, resources).prediction
    assert after.makespan_seconds <= before.makespan_seconds * (1 + slack) + 1e-6
    assert after.gb_seconds <= before.gb_seconds + 1e-6


def numbers(dag, seconds, output_bytes=0, **options):
    """Every task a function of its own."""
    names = tuple(f"task-{task}" for task in range(dag.tasks))
    dag = replace(dag, functions=np.arange(dag.tasks, dtype=np.int32), function_names=names)
    sizes = np.broadcast_to(output_bytes, dag.tasks).tolist()
    return dag, Constant(
        seconds_of=dict(zip(names, np.broadcast_to(seconds, dag.tasks).tolist(), strict=True)),
        output_bytes_of=dict(zip(names, sizes, strict=True)),
        **options,
    )


def slots_of_tasks(plan):
    return plan.slots[plan.bundles].tolist()


def test_uniform_keeps_short_tasks_with_big_inputs_at_their_producer():
    dag, predictions = numbers(
        from_pairs(5, [(0, 1), (0, 2), (0, 3), (0, 4)]), 0.01, [500e6, 0, 0, 0, 0]
    )
    plan = Uniform(predictions).plan(dag, Resources(4))
    assert set(slots_of_tasks(plan)) == {0}


def test_uniform_spreads_long_tasks():
    dag, predictions = numbers(from_pairs(5, [(0, 1), (0, 2), (0, 3), (0, 4)]), 60, 1e6)
    plan = Uniform(predictions).plan(dag, Resources(4))
    assert sorted(slots_of_tasks(plan)[1:]) == [0, 1, 2, 3]


@pytest.mark.parametrize("planner", [Uniform, ListSchedule])
@pytest.mark.parametrize(("warm", "slots"), [(0, 1), (1, 1), (3, 3), (9, 4)])
def test_containers_that_are_warm_are_used_where_starting_them_would_not_pay(planner, warm, slots):
    dag, predictions = numbers(fan_out(12), 0.02, cold_start_seconds=60, warm_start_seconds=0)
    platform = Platform(warm=((1769, warm),))
    options = {"effort": 1} if planner is ListSchedule else {}  # its first pass alone
    plan = planner(predictions, platform, **options).plan(dag, Resources(4, 1769))
    assert len(set(plan.slots.tolist())) == slots
    assert plan.prediction.cold_starts == (0 if warm else 1)


def test_what_is_warm_at_another_size_starts_cold():
    dag, predictions = numbers(fan_out(12), 0.02, cold_start_seconds=60, warm_start_seconds=0)
    platform = Platform(warm=((256, 9),))
    plan = Uniform(predictions, platform).plan(dag, Resources(4, 1769))
    assert len(set(plan.slots.tolist())) == 1


def test_uniform_pairs_long_tasks_with_short_ones():
    dag, predictions = numbers(independent(4), [9, 1, 9, 1])
    plan = Uniform(predictions).plan(dag, Resources(2))
    slots = slots_of_tasks(plan)
    assert slots[0] != slots[2] and slots[1] != slots[3]


def test_uniform_puts_a_fan_in_where_most_of_its_bytes_are():
    dag, predictions = numbers(from_pairs(3, [(0, 2), (1, 2)]), 30, [1e6, 900e6, 0])
    slots = slots_of_tasks(Uniform(predictions).plan(dag, Resources(2)))
    assert slots[0] != slots[1] == slots[2]


def test_uniform_makes_one_bundle_of_a_chain():
    assert len(Uniform().plan(chain(20), Resources(8)).slots) == 1


def test_non_uniform_lowers_what_nobody_waits_for():
    dag, predictions = numbers(independent(3), [100, 10, 10])
    one_size = Uniform(predictions, memory_mb=VCPU_MB).plan(dag, Resources(3))
    plan = NonUniform(predictions, slack=0.0).plan(dag, Resources(3))
    assert plan.prediction.makespan_seconds == one_size.prediction.makespan_seconds
    assert plan.prediction.gb_seconds <= one_size.prediction.gb_seconds
    assert plan.memory_mb[plan.bundles[0]] == VCPU_MB


def test_list_schedule_fills_gaps():
    # 0 → 2 leaves a gap behind 0 on no slot but its own; 3 takes it while 2 waits for 1
    dag, predictions = numbers(from_pairs(4, [(0, 2), (1, 2)]), [1, 9, 1, 7])
    plan = ListSchedule(predictions).plan(dag, Resources(2))
    assert plan.prediction.makespan_seconds < 11


@pytest.mark.parametrize("planner", PLANNERS)
def test_a_task_that_fits_nowhere_is_named(planner):
    predictions = Constant(task_peak_bytes=64e9)
    with pytest.raises(TooLittleMemory, match="task 0 is expected to need 64,000 MB"):
        planner(predictions).plan(independent(1), Resources(1))


@pytest.mark.parametrize("planner", [Uniform, ListSchedule, Auto])
def test_a_task_that_does_not_fit_the_given_size_is_named_with_its_numbers(planner):
    with pytest.raises(TooLittleMemory) as error:
        planner(Constant(task_peak_bytes=2e9)).plan(independent(1), Resources(1, memory_mb=512))
    assert (error.value.task, error.value.needed_mb, error.value.memory_mb) == (0, 2000.0, 512)


@pytest.mark.parametrize("planner", PLANNERS)
def test_bad_numbers_are_refused(planner):
    class Negative(Constant):
        def output_bytes(self, function, sla="average"):
            return Line(float("nan"))

    with pytest.raises(BadPrediction, match="output size of 'function 0' is nan"):
        planner(Negative()).plan(independent(1), Resources(1))
    with pytest.raises(UnknownSla):
        planner(sla=0).plan(independent(1), Resources(1))


def test_planners_are_found_by_name_with_their_settings():
    dag = random_dag(1, 50)
    for name in ("uniform", "non_uniform", "list_schedule", "auto"):
        plan = planner_named(name, predictions=Constant(), platform=Platform()).plan(
            dag, Resources(3)
        )
        assert plan.prediction is not None
    with pytest.raises(PlanError, match="unknown SLA 'mean'"):
        planner_named("uniform", sla="mean").plan(dag, Resources(2))


NOT_NUMBERS = [-1.0, float("nan")]


@pytest.mark.parametrize("value", NOT_NUMBERS)
@pytest.mark.parametrize(
    "make",
    [
        lambda value: Constant(task_seconds=value),
        lambda value: Constant(seconds_of={"f": value}),
        lambda value: Constant(bytes_per_second=value),
        lambda value: Platform(idle_seconds=value),
        lambda value: Platform(warm=((1024, value),)),
        lambda value: Prices(gb_second=value),
        lambda value: NonUniform(slack=value),
        lambda value: NonUniform(limit_seconds=value),
        lambda value: Resources(value),
        lambda value: Resources(1, memory_mb=value),
    ],
)
def test_negative_numbers_and_what_is_none_are_refused_where_they_are_given(make, value):
    with pytest.raises(PlanError, match=f"is {value}: it must"):
        make(value)


def test_what_things_are_divided_by_is_above_zero():
    for name in ("threads", "bytes_per_second"):
        with pytest.raises(BadPrediction, match=f"{name} .* is 0: .* above zero"):
            Constant(**{name: 0})
    for sizes in ({"memory_sizes_mb": ()}, {"memory_sizes_mb": (0,)}, {"default_memory_mb": 0}):
        with pytest.raises(ValueError, match="above zero"):
            Platform(**sizes)


@dataclass(frozen=True)
class Unpickled(Constant):
    """Whoever takes an output from elsewhere takes so long to make it of its bytes."""

    each_seconds: float = 0.0

    def unpacking(self, function, sla="average"):
        return Line(self.each_seconds)


@pytest.mark.parametrize("planner", [Uniform, ListSchedule])
def test_tasks_stay_where_an_input_lies_that_takes_long_to_unpickle(planner):
    dag = from_pairs(5, [(0, 1), (0, 2), (0, 3), (0, 4)])

    def slots(seconds):
        quick = {"transfer_latency_seconds": 0.0, "cold_start_seconds": 0.0}
        predictions = Unpickled(1.0, 0.0, each_seconds=seconds, **quick)
        return set(slots_of_tasks(planner(predictions).plan(dag, Resources(4))))

    assert len(slots(0.0)) == 4 and slots(5.0) == {0}
