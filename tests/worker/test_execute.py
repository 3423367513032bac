"""The loop that runs a bundle's steps."""

from __future__ import annotations

import asyncio
import operator
import weakref

import pytest

from dask_serverless.worker.execute import StepFailed, last_uses, owner, prepared, run
from dask_serverless.worker.timing import Timer


class Heavy:
    """A value whose end can be seen."""

    alive: weakref.WeakSet = weakref.WeakSet()

    def __init__(self, *values):
        self.alive.add(self)


def run_watched(*arguments):
    run(*arguments, Timer().task)


FUNCTIONS = [operator.add, operator.neg, Heavy, lambda *a, **k: (a, k), operator.truediv]
ADD, NEG, HEAVY, SEEN, DIVIDE = range(5)


@pytest.mark.parametrize("runner", [run, run_watched])
def test_steps_run_in_order_and_what_is_to_be_kept_stays(runner):
    values = {-1: 3, -2: 4}
    program = [(0, ADD, (-1, -2), None), (1, NEG, (0,), None), (2, ADD, (0, 1), None)]
    runner(program, FUNCTIONS, values, (1, 2))
    assert values == {1: -7, 2: 0}


@pytest.mark.parametrize("runner", [run, run_watched])
def test_the_last_arguments_go_by_keyword(runner):
    values = {-1: 1, -2: 2, -3: 3}
    runner([(0, SEEN, (-1, -2, -3), ("x", "y"))], FUNCTIONS, values, (0,))
    assert values == {0: ((1,), {"x": 2, "y": 3})}


def test_values_are_dropped_after_their_last_use():
    seen = []
    functions = [*FUNCTIONS, lambda *a: seen.append(len(Heavy.alive))]
    program = [
        (0, HEAVY, (), None),
        (1, 5, (0,), None),
        (2, HEAVY, (), None),
        (3, 5, (2,), None),
    ]
    run(program, functions, {}, (3,))
    assert seen == [1, 1]


def test_a_result_that_nobody_takes_is_dropped_at_once():
    values = {}
    run([(0, HEAVY, (), None)], FUNCTIONS, values, ())
    assert values == {}
    assert len(Heavy.alive) == 0


def test_an_argument_used_twice_by_one_step_is_dropped_once():
    assert last_uses([(0, ADD, (-1, -1), None)], (0,)) == [(-1,)]


@pytest.mark.parametrize("runner", [run, run_watched])
def test_a_failing_step_names_its_task_and_function(runner):
    values = {-1: 1, -2: 0}
    program = [(0, ADD, (-1, -2), None), (-9, DIVIDE, (-1, -2), None), (1, NEG, (-9,), None)]
    with pytest.raises(StepFailed) as caught:
        runner(program, FUNCTIONS, values, (1,))
    assert (caught.value.task, caught.value.function) == (1, DIVIDE)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_the_owner_of_a_step_is_the_next_task():
    program = [(-5, 0, (), None), (3, 0, (), None), (-6, 0, (), None), (4, 0, (), None)]
    assert [owner(program, out) for out in (-5, 3, -6, 4)] == [3, 3, 4, 4]


def test_times_are_told_task_by_task():
    program = [(-5, NEG, (-1,), None), (3, NEG, (-5,), None), (4, NEG, (3,), None)]
    timer = Timer()
    run(program, FUNCTIONS, {-1: 1}, (4,), timer.task)
    times = timer.times
    assert [task for task, _, _ in times] == [3, 4]
    assert times[0][1] <= times[0][2] <= times[1][2]


def test_a_coroutine_function_is_run_to_its_end():
    async def double(x, *, plus=0):
        await asyncio.sleep(0)
        return 2 * x + plus

    assert prepared(double)(3, plus=1) == 7
    assert prepared(operator.add) is operator.add


class Interrupting(tuple):
    """What stops a container may come while it looks for last uses."""

    def __iter__(self):
        raise KeyboardInterrupt


@pytest.mark.parametrize("runner", [run, run_watched])
def test_an_interrupt_before_the_first_step_stays_one(runner):
    """It became a ValueError: no step of the bundle was called 0."""
    program = [(5, ADD, (-1, -2), None), (6, NEG, (5,), None)]
    with pytest.raises((StepFailed, KeyboardInterrupt)) as caught:
        runner(program, FUNCTIONS, {-1: 3, -2: 4}, Interrupting([6]))
    cause = caught.value.__cause__ or caught.value
    assert isinstance(cause, KeyboardInterrupt)


def test_tasks_that_were_told_while_the_bundle_ran_are_not_told_again():
    told = []
    timer = Timer(lambda times: told.append([task for task, *_ in times]))
    for task, end in ((1, 1000.0), (2, 1000.05), (3, 1000.2), (4, 1000.21)):
        timer.task([(task, 0, (), None)], 0.0, end, {})
    assert told == [[1], [2, 3]]  # not each at once: ten times a second at most
    assert [task for task, *_ in timer.times] == [4]
