"""The bare loop: right results, nothing kept, computes of Dask's own included."""

from operator import add

import dask
import dask.array as da
import pytest
from dask._task_spec import Task, TaskRef

from benchmarks.limit import measure_limit, run_bare, steps_of


def chain(length):
    first = {0: Task(0, add, 0, 1)}
    return first | {i: Task(i, add, TaskRef(i - 1), 1) for i in range(1, length)}


def test_every_value_but_the_wanted_is_released():
    assert run_bare(steps_of(chain(10), wanted={9})) == {9: 10}


def test_a_wanted_intermediate_value_is_kept():
    assert run_bare(steps_of(chain(10), wanted={4, 9})) == {4: 5, 9: 10}


def test_the_result_is_dasks_own():
    x = da.arange(100, chunks=10)
    result, limit = measure_limit((x.sum(), [x.mean()]))
    assert result == dask.compute((x.sum(), [x.mean()]), scheduler="synchronous")[0]
    assert limit.tasks > 10


@pytest.mark.parametrize(("containers", "seconds"), [(1, 5.0), (2, 3.0), (4, 2.0)])
def test_only_the_loop_is_divided(containers, seconds):
    from benchmarks.limit import Limit

    assert Limit(materialise=1.0, loop=4.0, tasks=1).seconds(containers) == seconds
