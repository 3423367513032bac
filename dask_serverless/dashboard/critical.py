"""The critical path as it came: which tasks the end of the run had to wait for, one after another."""

from __future__ import annotations

import numpy as np

from dask_serverless.dashboard.seen import NEVER
from dask_serverless.dashboard.series import Series
from planners.graph.arrays import Floats, Ids

MOST_TASKS = 2000  # from the end back


def ended(series: Series) -> Floats:
    """When each task was over, or at the latest; infinity for those that are not yet."""
    bundles = series.finished[series.structure.bundles]
    return np.where(series.task_ended < NEVER, series.task_ended, bundles)


def critical_path(series: Series, levels: Ids) -> Ids:
    """Back from the last task that is done: each time to the input that came last.

    Of inputs that came at the same time, as those of one bundle do whose tasks are too short to be
    timed, it is the deepest.
    """
    over = ended(series)
    done = np.where(over < NEVER, over, -1.0)
    if not len(done) or done.max() < 0:
        return np.empty(0, dtype=np.int32)
    offsets, inputs = series.structure.input_offsets, series.structure.inputs
    latest = np.flatnonzero(done == done.max())
    task = int(latest[np.argmax(levels[latest])])
    path = [task]
    while len(path) < MOST_TASKS and offsets[task + 1] > offsets[task]:
        mine = inputs[offsets[task] : offsets[task + 1]]
        task = int(mine[np.lexsort((levels[mine], done[mine]))[-1]])
        path.append(task)
    return np.array(path[::-1], dtype=np.int32)
