"""Sketches: bounded, mergeable, and honest about what they cannot read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planners.errors import BadPrediction, PredictionError
from planners.numbers.sketch import BUDGET_BYTES, CAPACITY, Sketch

values = st.floats(0, 1e6, width=32)
samples = st.lists(st.tuples(values, values, values, values, values), max_size=300)


def measured(count, source=0, scale=1.0):
    random = np.random.default_rng(source)
    return [(1769, size, scale * size, 0, 0) for size in random.uniform(0, 1, count)]


def test_stays_within_its_budget_however_many_samples():
    sketch = Sketch()
    for source in range(20):
        sketch = sketch.add(measured(1000, source), source)
    assert sketch.seen == 20_000
    assert len(sketch) == CAPACITY
    assert len(sketch.to_bytes()) <= BUDGET_BYTES


def test_is_a_fair_sample_of_early_and_late():
    halves = Sketch().add([(1, 0, 0, 0, 0)] * 5000, 1).add([(1, 1, 0, 0, 0)] * 5000, 2)
    assert 0.3 < halves.column("input_bytes").mean() < 0.7


@settings(deadline=None)
@given(samples, samples, samples)
def test_merging_in_any_order_equals_one_sketch_of_all(one, two, three):
    parts = [Sketch().add(part, source) for source, part in enumerate((one, two, three))]
    together = Sketch().add(one, 0).add(two, 1).add(three, 2)
    assert parts[0].merge(parts[1]).merge(parts[2]) == together
    assert parts[2].merge(parts[0].merge(parts[1])) == together


def test_the_same_sample_sent_twice_counts_once_among_the_rows():
    sketch = Sketch().add(measured(50), source=7)
    assert np.array_equal(sketch.merge(sketch).rows, sketch.rows)


def test_the_same_numbers_from_two_sources_both_count():
    sample = [(1769, 10, 1, 0, 0)]
    assert len(Sketch().add(sample, 1).add(sample, 2)) == 2


@settings(deadline=None)
@given(samples)
def test_travels_as_bytes(some):
    sketch = Sketch().add(some, 3)
    assert Sketch.from_bytes(sketch.to_bytes()) == sketch


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"old!" + data[4:], lambda _: b""]
)
def test_refuses_bytes_that_are_no_sketch(damage):
    with pytest.raises(PredictionError, match="delete it"):
        Sketch.from_bytes(damage(Sketch().add(measured(3), 0).to_bytes()))


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_refuses_samples_that_cannot_be(bad):
    with pytest.raises(BadPrediction, match="seconds of 'sample 0'"):
        Sketch().add([(1769, 10, bad, 0, 0)], 0)


def test_a_function_that_got_slower_is_learnt_within_some_runs():
    sketch = Sketch()
    for run in range(100):
        sketch = sketch.add([(1769, 0, 1.0, 0, 0)] * 50, run, time=float(run))
    for run in range(100, 108):
        sketch = sketch.add([(1769, 0, 3.0, 0, 0)] * 50, run, time=float(run))
    seconds = sketch.weights @ sketch.column("seconds")
    assert 2.2 < seconds <= 3.0
    assert len(sketch) <= CAPACITY


def test_one_large_run_does_not_push_out_how_runs_differ():
    sketch = Sketch()
    for run in range(200):
        sketch = sketch.add([(1769, 0, float(run), 0, 0)], run, time=float(run))
    sketch = sketch.add([(1769, 0, 1000.0, 0, 0)] * 150, 1000, time=1000.0)
    assert len(set(sketch.column("seconds").tolist())) > 20


@settings(deadline=None)
@given(samples, samples, samples)
def test_what_came_late_may_be_told_first(one, two, three):
    parts = [Sketch().add(part, at, float(at)) for at, part in enumerate((one, two, three))]
    assert parts[2].merge(parts[0]).merge(parts[1]) == parts[0].merge(parts[1]).merge(parts[2])


def test_weights_are_of_runs_and_not_of_rows():
    sketch = Sketch().add([(1769, 0, 1.0, 0, 0)] * 40, 1, 1.0).add([(1769, 0, 2.0, 0, 0)], 2, 2.0)
    assert sketch.weights.sum() == pytest.approx(1)
    assert sketch.weights @ sketch.column("seconds") > 1.5
