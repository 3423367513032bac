"""What a container measures of its tasks, and what that may cost."""

from __future__ import annotations

import operator
import time

import numpy as np
import pandas as pd
import pytest

from dask_serverless.worker.execute import run
from dask_serverless.worker.measure import MANY, ROWS_A_KIND, Meter, nbytes, sampled
from dask_serverless.worker.retrying import Retrying
from dask_serverless.worker.told import Finished, Measured, Moved

FUNCTIONS = [operator.add, time.sleep, np.ones]


def measured(program, values, keep=()):
    meter = Meter()
    assert meter.wants(program)
    meter.begin(values)
    run(program, FUNCTIONS, values, keep, meter.task)
    return dict(meter.report().kinds)


def test_a_task_is_measured_with_its_own_time_and_the_bytes_it_takes_and_gives():
    taken = measured([(0, 2, (-1,), None), (1, 0, (0, 0), None)], {-1: 1000}, (1,))
    assert taken[(2,)].samples[0].output_bytes == 8000
    ((received, seconds, made, peak),) = taken[(0,)].samples
    assert (received, made, peak) == (16000, 8000, 24000)
    assert 0 <= seconds < 1


def test_the_steps_of_a_fused_task_are_one_kind_of_task():
    program = [(-5, 2, (-1,), None), (0, 0, (-5, -2), None)]
    taken = measured(program, {-1: 10, -2: 1.0}, (0,))
    assert list(taken) == [(2, 0)]
    assert taken[(2, 0)].samples[0].output_bytes == 80


def test_what_measuring_takes_is_not_the_tasks_time():
    frame = pd.DataFrame({"a": ["text"] * 200_000})
    meter = Meter()
    run([(0, 0, (-1, -1), None)], [lambda a, b: a], {-1: frame}, (0,), meter.task)
    ((_, taken),) = meter.report().kinds
    assert taken.samples[0].output_bytes > 200_000
    assert taken.seconds < meter.spent


def test_where_looking_at_the_inputs_took_all_that_is_allowed_one_task_is_measured():
    program = [(n, 0, (n - 1, -2), None) for n in range(1, 1000)]
    meter = Meter()
    values = {0: 1, -2: 1}
    meter.begin(values)
    meter.spent = 1.0  # the process lost its core meanwhile
    assert meter.wants(program)
    run(program, FUNCTIONS, values, (999,), meter.task)
    assert dict(meter.report().kinds)[(0,)].calls == 1
    assert not meter.wants(program)


def test_many_short_tasks_are_sampled_and_counted():
    program = [(n, 0, (n - 1, -2), None) for n in range(1, 1000)]
    meter = Meter()
    meter.ended(60.0)  # after which there is time for all of them
    run(program, FUNCTIONS, {0: 1, -2: 1}, (999,), meter.task)
    taken = dict(meter.report().kinds)[(0,)]
    assert (taken.calls, len(taken.samples)) == (999, ROWS_A_KIND)


def test_of_a_large_bundle_of_short_tasks_some_are_measured():
    """All that a run has may be one bundle of thousands, and its function would stay unknown."""
    program = [(n, 0, (n - 1, -2), None) for n in range(1, 5000)]
    meter = Meter()
    assert meter.wants(program)
    run(program, FUNCTIONS, values := {0: 1, -2: 1}, (4999,), meter.task)
    assert values == {4999: 5000}
    assert 1 <= dict(meter.report().kinds)[(0,)].calls < 2500


def test_a_meter_measures_no_more_than_its_share_of_time_allows():
    short = [(n, 0, (-1, -2), None) for n in range(500)]
    meter = Meter()
    wanted = []
    for _ in range(50):
        wanted.append(meter.wants(short))
        if wanted[-1]:
            run(short, FUNCTIONS, {-1: 1, -2: 1}, (), meter.task)
    assert wanted[0] and sum(wanted) < 10
    meter.ended(60.0)
    assert meter.wants(short), "after a minute of tasks there is time again"


@pytest.mark.parametrize("tried_again", [False, True])
def test_each_kind_is_measured_once_though_there_is_no_time_left(tried_again):
    """Of a long bundle only the first tasks would be known otherwise, whatever comes after them."""
    program = [(n, 0, (n - 1, -2), None) for n in range(1, 200)]
    program += [(-5, 2, (-1,), None), (200, 3, (-5,), None)]  # one task of two steps
    program += [(n, 0, (n - 1, -2), None) for n in range(201, 220)]
    program += [(220, 3, (-2,), None)]  # one of two functions that are known from others
    program += [(-6, 0, (219, -2), None), (221, 0, (-6, -2), None)]
    meter = Meter()
    meter.expect(4)
    meter.spent = 1.0  # no time at all
    assert meter.looks(program) == [0, 199, 220, 221]
    values = {0: 1, -1: 2, -2: 1}
    runs = Retrying({200: 1}, time.sleep).run if tried_again else run
    runs(program, [*FUNCTIONS, np.size], values, (221,), meter.task, meter.looks(program))
    assert values == {221: 2 + 19 + 2}
    taken = dict(meter.report().kinds)
    assert {kind: one.calls for kind, one in taken.items()} == dict.fromkeys(
        [(0,), (2, 3), (3,), (0, 0)], 1
    )
    assert meter.looks(program) == [], "all that the run has were met"
    meter.kinds = 9
    assert meter.looks(program) == [], "all that it has were met"


def test_of_thousands_of_functions_few_are_measured_without_time():
    program = [(n, n, (-1,), None) for n in range(5000)]
    meter = Meter()
    meter.expect(5000)
    meter.spent = 1.0
    for begin in range(0, 5000, 100):
        part = program[begin : begin + 100]
        looks = meter.looks(part)
        run(part, [abs] * 5000, {-1: 1}, (), meter.task, looks)
    assert len(meter.report().kinds) == MANY


@pytest.mark.parametrize("containers", [1, 2, 8])
def test_runs_of_a_graph_with_hundreds_of_functions_measure_all_of_them_in_time(containers):
    mine = [(n, n, (-1,), None) for n in range(400 // containers)]
    known = set()
    for _ in range(150):
        meter = Meter()
        meter.expect(400)
        meter.spent, meter.steps = 1.0, 1  # no time at all
        for begin in range(0, len(mine), 25):
            part = mine[begin : begin + 25]
            looks = meter.looks(part)
            run(part, [abs] * 400, {-1: 1}, (), meter.task if looks else None, looks)
        measured = {kind for kind, _ in meter.report().kinds}
        assert len(measured) <= MANY
        known |= measured
    assert len(known) == len(mine)


def test_frames_are_sized_by_their_columns_and_never_by_hand():
    text = pd.Series(["some text"] * 1000, dtype=object)
    frame = pd.DataFrame({"n": np.zeros(1000), "text": text})
    assert 50_000 < nbytes(frame) < 100_000
    assert nbytes([frame] * 3) >= 150_000
    assert nbytes({n: frame for n in range(4)}) >= 200_000
    frame = pd.DataFrame({"text": pd.array(["some text"] * 1000, dtype="category")})
    assert 1000 < nbytes(frame) < 10_000


def test_lists_and_tuples_are_sized_by_what_they_begin_with_and_never_for_long():
    both = np.linalg.qr(np.ones((1000, 10)))
    assert 80_000 + 800 < nbytes(both) < 82_000
    itself: list[object] = []
    itself += [itself] * 4
    assert nbytes(itself) >= 0
    assert nbytes([[np.zeros(100)] * 10] * 10) >= 80_000


def test_constants_are_no_inputs_but_they_take_memory():
    """Planners do not know how large they are."""
    taken = measured([(0, 0, (-1, -2), None)], {-1: np.zeros(1000), -2: np.float64(1)}, (0,))
    ((received, _, made, peak),) = taken[(0,)].samples
    assert (received, made, peak) == (0, 8000, 16008)


@pytest.mark.parametrize(
    ("took", "counted"),
    [
        ([4e-5, 1e-6, 1e-6], 3e-6),  # caches were cold
        ([4e-5, 3e-5, 1e-6], 7.1e-5),
        ([1e-6, 4e-5], 4.1e-5),
        ([4e-5], 4e-5),  # all that is known
        ([0.1, 0.001], 0.101),  # another size, maybe
    ],
)
def test_a_first_call_with_cold_caches_does_not_stand_for_the_others(took, counted):
    meter = Meter()
    meter.few = True
    for seconds in took:
        meter.task([(0, 0, (), None)], 1.0, 1.0 + seconds, {0: None})
        meter.spent = 0.0  # the clock is another one
    ((_, taken),) = meter.report().kinds
    assert (taken.calls, len(taken.samples)) == (len(took), len(took))
    assert taken.seconds == pytest.approx(counted, rel=1e-6)
    assert sum(sample.seconds for sample in taken.samples) == pytest.approx(counted, rel=1e-6)


def test_long_tasks_are_always_measured():
    program = [(n, 1, (-1,), None) for n in range(3)]
    meter = Meter()
    for _ in range(2):
        assert meter.wants(program)
        run(program, FUNCTIONS, {-1: 0.011}, (), meter.task)
    taken = dict(meter.report().kinds)[(1,)]
    assert taken.calls == len(taken.samples) == 6
    assert taken.seconds >= 0.06


@pytest.mark.parametrize("collection", [list, tuple, dict])
def test_collections_that_count_all_their_parts_are_not_asked_to(collection):
    class Counting(collection):
        def __sizeof__(self):
            raise AssertionError("asked")

    parts = [np.zeros(100) for _ in range(10)]
    value = Counting(enumerate(parts) if collection is dict else parts)
    assert 8000 < nbytes(value) < 10000


def test_bundles_of_few_steps_are_measured_unless_that_takes_longer_than_they_do():
    program = [(0, 1, (-1,), None)]
    for seconds, measured in ((0.0, 3), (0.01, 1)):
        meter = Meter()
        for _ in range(3):
            if meter.wants(program):
                run(program, FUNCTIONS, {-1: 0.0}, (), meter.task)
                meter.spent += seconds
        ((_, taken),) = meter.report().kinds
        assert taken.calls == measured


def test_sizes_are_told_of_whatever_there_is():
    class Odd:
        def __sizeof__(self):
            raise ValueError

    values = [np.zeros(10), pd.Series([1, 2]), [np.zeros(10)] * 5, "text", None, {}, Odd(), ()]
    assert all(nbytes(value) >= 0 for value in values)
    assert nbytes([np.zeros(1000)] * 5) >= 40_000


def test_what_was_told_is_not_told_again_and_comes_back_from_its_bytes():
    meter = Meter()
    program = [(-5, 2, (-1,), None), (0, 0, (-5, -2), None)]
    meter.begin({-1: 10, -2: 1.0})
    run(program, FUNCTIONS, {-1: 10, -2: 1.0}, (0,), meter.task)
    meter.transfer("u", True, 100, 0.5)
    meter.arrived(10.0, 12.5)
    meter.published([], 0.002)
    told = Finished(
        1, "c", 0.0, 0.1, 0.2, 0.3, 4, 5, 0, 6, False, {7: b"i"}, [(7, 0.0, 1.0)], meter.report()
    )
    assert Finished.unpack(told.pack()) == told._replace(times=[[7, 0.0, 1.0]])
    assert told.measured.moved == [Moved("u", True, 100, 0.5)]
    assert (told.measured.waited, told.measured.round_trip) == (2.5, 0.002)
    assert meter.report() == Measured([], [], -1.0, -1.0)


def test_samples_are_of_all_calls_whatever_their_length():
    """A sample of the first calls only, or of all long ones, would make the rest look like them."""
    chosen = [call for call in range(5000) if sampled(call) < ROWS_A_KIND]
    late = [call for call in chosen if call >= 2500]
    assert ROWS_A_KIND < len(chosen) < 200
    assert late
