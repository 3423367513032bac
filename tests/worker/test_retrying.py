"""Tasks that are tried again where they raise: what runs once more, what is told, how long it waits."""

from __future__ import annotations

import operator

import pytest

from dask_serverless.worker import retrying
from dask_serverless.worker.execute import StepFailed
from dask_serverless.worker.interruption import Interrupt
from dask_serverless.worker.retrying import ALL_OTHERS, Retrying, backoff

ADD, FLAKY, LISTED = range(3)


class Flaky:
    """Raises as often as it was told, then returns what it is given."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = []

    def __call__(self, value):
        self.calls.append(value)
        if self.errors:
            raise self.errors.pop(0)
        return value


def run(flaky, program, values, keep, times, watch=None):
    pauses = []
    again = Retrying(times, pauses.append)
    again.run(program, [operator.add, flaky, lambda *a: list(a)], values, keep, watch)
    return again, pauses


def test_only_the_task_that_raised_runs_again():
    flaky, seen = Flaky(ValueError("once"), ValueError("twice")), []
    program = [(0, LISTED, (-1,), None), (1, FLAKY, (0,), None), (2, ADD, (1, 1), None)]
    values = {-1: 3}

    def watch(steps, start, end, values):
        seen.append(steps[-1][0])
        return True

    again, pauses = run(flaky, program, values, (2,), {1: 2}, watch)
    assert values == {2: [3, 3]}
    assert flaky.calls == [[3]] * 3
    assert seen == [0, 1, 2]
    assert (again.retries, len(pauses)) == (2, 2)


def test_a_fused_task_runs_again_as_a_whole():
    flaky = Flaky(ValueError("once"))
    program = [(-2, LISTED, (-1,), None), (-3, FLAKY, (-2,), None), (0, ADD, (-3, -3), None)]
    values = {-1: 3}
    run(flaky, program, values, (0,), {0: 1})
    assert values == {0: [3, 3]}
    first, second = flaky.calls
    assert first == second
    assert first is not second  # what an attempt may have spoilt was made anew


def test_the_last_error_tells_of_all_attempts():
    flaky = Flaky(ValueError("first"), KeyError("second"), OSError("third"))
    with pytest.raises(StepFailed) as caught:
        run(flaky, [(0, FLAKY, (-1,), None)], {-1: 3}, (0,), {ALL_OTHERS: 2})
    assert type(caught.value.__cause__) is OSError
    assert [told.partition(" (")[0] for told in caught.value.tries] == [
        "ValueError: first", "KeyError: 'second'", "OSError: third",
    ]  # fmt: skip


@pytest.mark.parametrize("error", [Interrupt(), SystemExit(3), KeyboardInterrupt()])
def test_what_is_no_failure_of_the_task_is_not_tried_again(error):
    flaky = Flaky(error)
    with pytest.raises(StepFailed) as caught:
        run(flaky, [(0, FLAKY, (-1,), None)], {-1: 3}, (0,), {0: 5})
    assert caught.value.__cause__ is error
    assert len(flaky.calls) == 1


def test_a_task_without_retries_raises_at_once_among_others():
    flaky = Flaky(ValueError("once"))
    with pytest.raises(StepFailed) as caught:
        run(flaky, [(0, FLAKY, (-1,), None)], {-1: 3}, (0,), {ALL_OTHERS: 5, 0: 0})
    assert not caught.value.tries


def test_who_watches_and_has_had_enough_is_told_no_more():
    told = []

    def watch(steps, start, end, values):
        told.append(steps[-1][0])
        return False

    program = [(n, FLAKY, (-1,), None) for n in range(3)]
    run(Flaky(), program, {-1: 3}, (0, 1, 2), {ALL_OTHERS: 1}, watch)
    assert told == [0]


def test_pauses_grow_to_a_bound_and_differ():
    firsts = {backoff(1) for _ in range(20)}
    assert len(firsts) > 1
    assert max(firsts) <= retrying.SHORTEST_SECONDS
    assert backoff(3) > backoff(1)
    assert backoff(10**6) <= retrying.LONGEST_SECONDS
