"""Predictions from history: for an SLA, a memory size, an input size, a kind of place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dask_serverless.history.entry import Entries
from dask_serverless.history.folding import fold
from dask_serverless.history.observations import (
    DOWNLOAD,
    UPLOAD,
    Calls,
    Observations,
    Packing,
    Sample,
    Start,
    Transfer,
)
from dask_serverless.history.predicted import predicted
from planners.auto import Auto
from planners.graph.dag import Dag
from planners.numbers.predictions import VCPU_MB, Constant, Line, Unmeasured
from planners.numbers.workload import Workload
from planners.plans.plan import Resources


def learned(observations: Observations) -> Entries:
    return fold([observations], 0.0, source=1)[0]


def linear(memory: float = 0, count: int = 60) -> Calls:
    """Half a second, and one more for each megabyte that comes in; twice as many go out."""
    sizes = np.linspace(1e5, 1e7, count)
    rows = [Sample(memory, size, 0.5 + size / 1e6, 2 * size, 3 * size) for size in sizes]
    return Calls(count, sum(row.seconds for row in rows), rows)


def test_a_function_is_predicted_for_inputs_of_any_size() -> None:
    known = predicted(learned(Observations({"f": linear()})), {})
    for sla in ("average", 1, 50, 100):
        line = known.seconds("f", VCPU_MB, sla)
        assert (line.at(2e7), line.samples) == (pytest.approx(20.5, rel=1e-3), 60)
    assert known.output_bytes("f").at(5e6) == pytest.approx(1e7, rel=1e-3)
    assert known.peak_bytes("f").at(5e6) == pytest.approx(1.5e7, rel=1e-3)


def test_without_a_limit_a_container_has_all_the_memory_that_helps() -> None:
    known = predicted(learned(Observations({"f": linear(memory=0)})), {})
    same = predicted(learned(Observations({"f": linear(memory=VCPU_MB)})), {})
    for memory in (0, 512, VCPU_MB, 4096):
        found = known.seconds("f", memory).at(1e6)
        assert found == pytest.approx(same.seconds("f", memory).at(1e6))
    assert known.seconds("f", 0).at(1e6) == pytest.approx(1.5, rel=1e-3)
    assert known.seconds("f", VCPU_MB // 2).at(1e6) > known.seconds("f", VCPU_MB).at(1e6)


@pytest.mark.parametrize("percentile", [10, 50, 90])
def test_a_percentile_leaves_that_share_of_calls_below(percentile: int) -> None:
    times = np.random.default_rng(1).lognormal(0, 0.5, 140)
    rows = [Sample(0, 100, seconds, 0, 0) for seconds in times]
    entries = learned(Observations({"f": Calls(140, float(times.sum()), rows)}))
    line = predicted(entries, {}).seconds("f", 0, percentile)
    assert np.mean(times <= line.at(100)) == pytest.approx(percentile / 100, abs=0.02)


def test_unknown_functions_get_the_constants_answer_on_no_samples() -> None:
    known = predicted(learned(Observations({"f": linear()})), {})
    constant = Unmeasured()
    for sla in ("average", 90):
        assert known.seconds("g", 1024, sla) == constant.seconds("g", 1024, sla)
        assert known.output_bytes("g", sla) == constant.output_bytes("g", sla)
    assert known.seconds("g", 1024).samples == 0
    assert known.knows(["f", "g"]) and not known.knows(["g"])
    assert known.knows_all(["f"]) and not known.knows_all(["f", "g"])
    assert not predicted({}, {}).knows(["f"])
    assert predicted({}, {}, Constant(task_seconds=7)).seconds("f", VCPU_MB).at() == 7


def test_a_known_function_predicts_in_a_graph_that_was_never_run() -> None:
    dag = Dag.from_edges(3, [0, 1], [2, 2], functions=[0, 0, 1], function_names=["f", "new"])
    known = predicted(learned(Observations({"f": linear()})), {})
    seconds = Workload.predict(dag, known, 90).seconds(VCPU_MB)
    assert seconds[:2] == pytest.approx([0.5, 0.5], rel=0.02)
    assert seconds[2] == Unmeasured().seconds("new", VCPU_MB).at()
    plan = Auto(known, sla=90).plan(dag, Resources(containers=2))
    assert plan.prediction is not None and plan.prediction.makespan_seconds > 0.5


def test_transfers_are_told_by_place_and_size() -> None:
    sizes = np.linspace(1e4, 1e7, 40)
    moves = [Transfer("redis", UPLOAD, size, 0.001 + size / 1e8) for size in sizes]
    moves += [Transfer("shared", UPLOAD, size, 0.0001 + size / 1e9) for size in sizes]
    known = predicted(learned(Observations(transfers=moves)), {})
    redis, shared = known.transfer("redis", UPLOAD), known.transfer("shared", UPLOAD, 90)
    assert (redis.at(1e6), redis.samples) == (pytest.approx(0.011, rel=1e-2), 40)
    assert (shared.at(1e6), shared.samples) == (pytest.approx(0.0011, rel=1e-2), 40)
    assert shared.at(1e6) < known.upload().at(1e6) < redis.at(1e6)
    assert known.upload().samples == 80
    assert known.transfer("s3", UPLOAD) == known.upload()
    assert known.transfer("redis", DOWNLOAD).samples == 0


def test_starts_are_told_by_temperature_and_memory() -> None:
    starts = [Start(True, 2.0, 512)] * 8 + [Start(True, 1.0, 4096)] * 8 + [Start(False, 0.01)] * 8
    known = predicted(learned(Observations(starts=starts)), {})
    assert known.cold_start(600).at() == pytest.approx(2.0)
    assert known.cold_start(4000).at() == pytest.approx(1.0)
    assert (known.warm_start(600).at(), known.warm_start(600).samples) == (pytest.approx(0.01), 8)


numbers = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(numbers, numbers, numbers, numbers, numbers), max_size=30),
    st.lists(st.tuples(numbers, numbers), max_size=20),
    st.integers(0, 10**5),
    st.sampled_from(["average", 1, 37, 100]),
)
def test_whatever_was_measured_predictions_can_be_planned_with(rows, moves, memory, sla) -> None:
    observations = Observations(
        {"f": Calls(30, 1e9, [Sample(*row) for row in rows])},
        [Transfer("redis", UPLOAD, *move) for move in moves],
        [Start(True, seconds, size) for size, seconds in moves],
        [seconds for _, seconds in moves],
    )
    known = predicted(learned(observations), {})
    lines = [
        known.seconds("f", memory, sla),
        known.output_bytes("f", sla),
        known.peak_bytes("f", sla),
        known.upload(sla),
        known.transfer("redis", UPLOAD, sla),
        known.cold_start(max(memory, 1), sla),
    ]
    for line in lines:
        for size in (0, 1e6, 1e12):
            assert np.isfinite(line.at(size)) and line.at(size) >= 0


def test_pickling_is_predicted_by_function_and_bytes() -> None:
    rows = [Packing("f", UPLOAD, size, size / 1e9) for size in (1e6, 2e6, 4e6)]
    rows += [Packing("g", DOWNLOAD, 1e6, 0.005)] * 5
    known = predicted(learned(Observations({"f": linear()}, packings=rows)), {})
    assert known.packing("f").at(3e6) == pytest.approx(0.003)
    assert known.unpacking("f").at(3e6) == pytest.approx(0.003)  # as far as anybody knows
    assert known.packing("f").at(1e12) == pytest.approx(0.008)  # no size like that was seen
    assert known.unpacking("g").at(1e6) == known.packing("g").at(1e6) == pytest.approx(0.005)
    assert known.packing("h") == known.unpacking("h") == Line(0.0)


def test_a_workload_knows_what_its_outputs_take_to_be_pickled() -> None:
    rows = [Packing("f", UPLOAD, 100.0, 0.25), Packing("f", DOWNLOAD, 100.0, 0.5)]
    calls = Calls(1, 0.1, [Sample(0, 0.0, 0.1, 100.0, 100.0)])
    known = predicted(learned(Observations({"f": calls, "g": calls}, packings=rows)), {})
    dag = Dag.from_edges(2, [0], [1], functions=[0, 1], function_names=["f", "g"])
    workload = Workload.predict(dag, known)
    assert workload.packing.tolist() == [0.25, 0.0]
    assert workload.unpacking.tolist() == [0.5, 0.0]
