"""Predictions: from samples, from constants, and what is refused."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planners.errors import BadPrediction, MissingPrediction, UnknownSla
from planners.graph.dag import Dag
from planners.numbers.measured import Measured
from planners.numbers.predictions import (
    VCPU_MB,
    Constant,
    Line,
    Lines,
    Unmeasured,
    transfer_seconds,
)
from planners.numbers.sketch import Sketch
from planners.numbers.workload import Workload


def sketch_of(rows, source=0):
    return Sketch().add(rows, source)


def linear(count=60, memory=VCPU_MB, base=2.0, per_byte=0.5, noise=0.0):
    random = np.random.default_rng(5)
    sizes = random.uniform(0, 100, count)
    seconds = (base + per_byte * sizes) * (1 + noise * random.standard_normal(count))
    return [
        (memory, size, time, 2 * size, 3 * size) for size, time in zip(sizes, seconds, strict=True)
    ]


def test_measured_knows_the_input_size():
    measured = Measured({"f": sketch_of(linear())})
    assert measured.seconds("f", VCPU_MB).at(1000) == pytest.approx(502, rel=1e-4)
    assert measured.output_bytes("f").at(50) == pytest.approx(100, rel=1e-4)
    assert measured.peak_bytes("f").at(50) == pytest.approx(150, rel=1e-4)


def test_answers_say_on_how_many_samples_they_rest():
    measured = Measured({"f": sketch_of(linear(60))}, fallback=Constant())
    assert measured.seconds("f", VCPU_MB).samples == 60
    assert measured.seconds("unknown", VCPU_MB).samples == 0


def test_percentiles_leave_that_share_of_samples_below():
    rows = linear(140, noise=0.2)
    measured = Measured({"f": sketch_of(rows)})
    for percentile in (10, 50, 90):
        line = measured.seconds("f", VCPU_MB, percentile)
        below = np.mean([time <= line.at(size) for _, size, time, *_ in rows])
        assert below == pytest.approx(percentile / 100, abs=0.02)


def test_the_average_is_that_of_the_samples():
    rows = [(VCPU_MB, 10, seconds, 0, 0) for seconds in (1, 2, 6)]
    assert Measured({"f": sketch_of(rows)}).seconds("f", VCPU_MB).at(10) == pytest.approx(3)


def test_scales_to_a_memory_size_without_samples():
    measured = Measured({"f": sketch_of(linear())}, threads=2.0)
    known = measured.seconds("f", VCPU_MB).at(10)
    assert measured.seconds("f", VCPU_MB // 2).at(10) == pytest.approx(2 * known, rel=1e-2)
    assert measured.seconds("f", 2 * VCPU_MB).at(10) == pytest.approx(known / 2, rel=1e-2)
    assert measured.seconds("f", 4 * VCPU_MB).at(10) == pytest.approx(known / 2, rel=1e-2)


@pytest.mark.parametrize("count", [1, 60])
def test_sizes_with_the_same_cores_are_equally_fast(count):
    """As containers with a fixed share of a core have it, whatever their memory."""
    cores = (256, 0.5), (512, 0.5), (2048, 1.0), (8192, 4.0)
    few = linear(count, memory=512)
    measured = Measured({"f": sketch_of(few)}, fallback=Constant(cores=cores), cores=cores)
    for name in "f", "unknown":
        times = [measured.seconds(name, memory).at(10) for memory, _ in cores]
        expected = [times[0], times[0], times[0] / 2, times[0] / 2]  # by one thread
        assert times == pytest.approx(expected)
    assert measured.seconds("f", 512).at(10) == pytest.approx(few[0][2], rel=2.0)


@pytest.mark.parametrize("number", [-1.0, float("nan")])
def test_cores_are_numbers(number):
    with pytest.raises(BadPrediction, match="cores"):
        Constant(cores=((512, number),))


def test_believes_samples_more_than_scaling():
    slow = [(2 * VCPU_MB, size, time, 0, 0) for _, size, time, *_ in linear()]
    measured = Measured({"f": sketch_of(linear()).merge(sketch_of(slow, 1))}, threads=8.0)
    known = measured.seconds("f", VCPU_MB).at(10)
    assert measured.seconds("f", 2 * VCPU_MB).at(10) == pytest.approx(known, rel=1e-2)


@given(
    st.lists(
        st.tuples(st.sampled_from([512, 1024, 1769, 3008]), st.floats(0, 99), st.floats(0, 9)),
        min_size=1,
        max_size=60,
    ),
    st.floats(0, 200),
)
def test_more_memory_is_never_predicted_to_be_slower(rows, size):
    sketch = sketch_of([(memory, given, time, 0, 0) for memory, given, time in rows])
    measured = Measured({"f": sketch}, threads=4.0)
    times = [measured.seconds("f", memory).at(size) for memory in range(256, 8000, 256)]
    assert all(after <= before * (1 + 1e-9) for before, after in pairwise(times))


def test_transfers_and_starts_come_from_samples():
    moved = [(0, size, 0.01 + size / 1000, 0, 0) for size in (10, 100, 1000)]
    started = [(1024, 0, 0.5, 0, 0)] * 8 + [(2048, 0, 0.3, 0, 0)] * 8
    measured = Measured(
        {}, sketch_of(moved), sketch_of(moved), sketch_of(started), sketch_of(started)
    )
    seconds = transfer_seconds(measured.download(), np.array([0, 500]))
    assert seconds == pytest.approx([0, 0.51], rel=1e-4)
    assert measured.upload(90).at(500) == pytest.approx(0.51, rel=1e-4)
    assert measured.cold_start(1100).at() == pytest.approx(0.5)
    assert measured.warm_start(4096).at() == pytest.approx(0.3)


@pytest.mark.parametrize("sla", ["median", 0, 101, 50.0, True, None])
@pytest.mark.parametrize("predictions", [Constant(), Measured({}, fallback=Constant())])
def test_refuses_an_unknown_sla(predictions, sla):
    with pytest.raises(UnknownSla, match="whole percentile"):
        predictions.seconds("f", 1024, sla)
    with pytest.raises(UnknownSla):
        Workload.predict(Dag.from_edges(1, [], []), predictions, sla)


def test_says_what_was_never_measured():
    measured = Measured({})
    for ask, name in (
        (lambda: measured.seconds("f", 1024), "'f'"),
        (lambda: measured.output_bytes("f"), "'f'"),
        (lambda: measured.upload(), "the store"),
        (lambda: measured.cold_start(1024), "the backend"),
    ):
        with pytest.raises(MissingPrediction, match=f"{name}.*run it once"):
            ask()


def test_errors_survive_pickling():
    for error in (UnknownSla("x"), MissingPrediction("a", "b"), BadPrediction("a", "b", -1.0)):
        copy = pickle.loads(pickle.dumps(error))
        assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_refuses_constants_below_zero():
    with pytest.raises(BadPrediction, match="seconds_of of 'f' is -1"):
        Constant(seconds_of={"f": -1})


class Negative(Constant):
    """A user's own predictions may say anything."""

    def seconds(self, function, memory_mb, sla="average"):
        return Line(-0.5)


def test_a_negative_prediction_names_the_function():
    dag = Dag.from_edges(1, [], [], functions=[0], function_names=["load"])
    with pytest.raises(BadPrediction, match="execution time of 'load' is -0.5"):
        Workload.predict(dag, Negative()).seconds(1024)


def test_lines_answer_for_arrays():
    lines = Lines.of([Line(1, 2, 3), Line(10, 0, 5)])
    assert lines.at(np.array([0, 1, 0]), np.array([0, 7, 2])).tolist() == [1, 10, 5]
    assert lines.samples.tolist() == [3, 5]


@pytest.mark.parametrize(
    ("known", "fallback", "expected"),
    [(40, Unmeasured(), 2.0), (10, Unmeasured(), 0.01), (40, Constant(), 0.01)],
    ids=["as the others", "too few others", "somebody has told"],
)
def test_of_many_functions_those_never_measured_are_as_the_others(known, fallback, expected):
    names = [f"f{n}" for n in range(200)]
    sketches = {name: sketch_of([(VCPU_MB, 0, 1 + n % 3, 7, 9)]) for n, name in enumerate(names)}
    measured = Measured(dict(list(sketches.items())[:known]), fallback=fallback)
    seconds = measured.seconds_lines(names, VCPU_MB, "average")
    assert seconds.base[:3].tolist() == pytest.approx([1, 2, 3])
    assert seconds.base[known:] == pytest.approx(expected, rel=0.03)
    assert not seconds.samples[known:].any()
    if expected > 1:
        assert measured.output_lines(names, "average").base == pytest.approx(7)
        assert measured.peak_lines(names, "average").base == pytest.approx(9)


def test_sizes_spread_through_the_graph():
    # f doubles its input: 8 constant bytes become 16, 32, and 16 + 32 at the join become 96
    dag = Dag.from_edges(3, [0, 0, 1], [1, 2, 2], functions=[0, 0, 0], constant_bytes=[8, 0, 0])
    rows = [(VCPU_MB, size, 1, 2 * size, 0) for size in range(1, 20)]
    workload = Workload.predict(dag, Measured({"function 0": sketch_of(rows)}, fallback=Constant()))
    assert workload.input_bytes.tolist() == pytest.approx([8, 16, 48])
    assert workload.output_bytes.tolist() == pytest.approx([16, 32, 96])


def test_no_memory_size_means_the_backends_default():
    for predictions in (Constant(), Measured({"f": sketch_of(linear())})):
        default = predictions.seconds("f", 0)
        assert default.at(50) == pytest.approx(predictions.seconds("f", VCPU_MB).at(50))
    unlimited = Measured({"f": sketch_of(linear(memory=0))})
    assert unlimited.seconds("f", VCPU_MB).at(1000) == pytest.approx(502, rel=1e-4)


def test_sizes_that_differ_by_chance_explain_no_times():
    """Numbers of 24 bytes and of 28: a line through them made tasks without inputs take no time."""
    random = np.random.default_rng(3)
    rows = [
        (0, 24 + 4 * (n % 2), 1 + 0.1 * random.random() + 0.02 * (n % 2), 0, 0) for n in range(12)
    ]
    line = Measured({"f": sketch_of(rows)}).seconds("f", 0)
    assert line.at(0) == pytest.approx(1.06, abs=0.05)


def test_equal_sizes_explain_no_times_whatever_their_average_is_rounded_to():
    """Weights that do not add up to 1 to the last bit gave sizes of 52 bytes a spread of 1e-14."""
    for runs in range(1, 12):
        sketch = Sketch()
        for run in range(runs):
            rows = [(0, 52, 0.005 + 1e-4 * n, 0, 0) for n in range(7 * run + 1)]
            sketch = sketch.add(rows, run, float(run))
        assert Measured({"f": sketch}).seconds("f", 0).per_byte == 0


def in_a_row(tasks):
    functions = np.zeros(tasks, dtype=np.int32)
    return Dag.from_edges(
        tasks,
        range(tasks - 1),
        range(1, tasks),
        functions=functions,
        function_names=("f",),
        constant_bytes=np.array([50.0] + [0.0] * (tasks - 1)),
    )


def test_outputs_of_outputs_do_not_grow_without_end():
    """Joins that once gave forty times what they took say little of thirty in a row."""
    rows = [(0, size, 1.0, 40 * size, 40 * size) for size in range(10, 110, 10)]
    measured = Measured({"f": sketch_of(rows)}, fallback=Constant())
    known = Workload.predict(in_a_row(30), measured)
    assert known.output_bytes[0] == pytest.approx(40 * 50)  # of what was seen, the line is believed
    assert known.output_bytes.max() == pytest.approx(40 * 10 * 100)
    line = measured.output_bytes("f")
    assert line.at(1e9) == pytest.approx(40 * 1000)
    assert Lines.of([line]).at(np.zeros(2, dtype=np.int32), np.array([50.0, 1e9])) == pytest.approx(
        [2000, 40_000]
    )
