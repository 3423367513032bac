"""Moments: the states of all tasks at any time of a run, by a few array operations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dask_serverless.dashboard.seen import NEVER
from dask_serverless.dashboard.series import Series
from dask_serverless.dashboard.states import State
from planners.graph.arrays import Floats, Ids

States = npt.NDArray[np.uint8]


def states_at(series: Series, at: float = NEVER) -> States:
    """Of every task at a moment; without one, the latest there is."""
    at = min(at, 1e18)  # what never happens is later than any moment
    bundles = series.structure.bundles
    states = np.zeros(series.structure.tasks, dtype=np.uint8)
    states[(ready(series) <= at)[bundles]] = State.READY
    if at < series.over_at and not series.abandoned:
        states[(series.claimed <= at)[bundles]] = State.RUNNING
    lost = [each.bundle for each in series.losses if each.since <= at < each.at]
    if lost:  # it ran there until then
        states[np.isin(bundles, lost)] = State.RUNNING
    again = (series.lost <= at) & (series.finished > at)
    states[again[bundles] | (series.task_again <= at)] = State.RETRIED
    finished = (series.finished <= at)[bundles]
    states[(series.task_ended <= at) | finished] = State.DONE
    states[series.edges.crossing & (series.nbytes < 0) & finished] = State.KEPT
    states[released(series) <= at] = State.RELEASED
    if series.succeeded and at >= series.over_at:  # so were those of which no container told
        states[(series.finished == NEVER)[bundles]] = State.DONE
    states[series.task_failed <= at] = State.FAILED
    return states


def retried(series: Series, at: float = NEVER) -> Ids:
    """Tasks that were begun more than once up to a moment, however that ended: in place, or with their
    bundle, whose container was lost.
    """
    again = np.minimum(series.task_again, series.lost[series.structure.bundles])
    return np.flatnonzero(again <= min(at, 1e18)).astype(np.int32)


def ready(series: Series) -> Floats:
    """When each bundle had all it waits for."""
    consumers, producers = series.edges.between_bundles
    return latest_by(consumers, series.finished[producers], series.structure.bundle_count)


def released(series: Series) -> Floats:
    """When each task's output was needed no more."""
    structure = series.structure
    tasks, users = series.edges.by_producer
    released = latest_by(tasks, series.finished[users], structure.tasks)
    released = np.maximum(released, series.finished[structure.bundles])
    released[structure.wanted] = NEVER
    return released


def stopped(series: Series) -> Floats:
    """When each bundle was over, also those that failed."""
    stopped = series.finished.copy()
    for failed in series.failures:
        if 0 <= failed.bundle < len(stopped):
            stopped[failed.bundle] = min(stopped[failed.bundle], failed.at)
    return stopped


def latest_by(rows: Ids, times: Floats, count: int) -> Floats:
    """The latest time of each row; 0 for rows that have none. ``rows`` is ordered."""
    latest = np.zeros(count)
    if len(rows):
        starts = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))
        latest[rows[starts]] = np.maximum.reduceat(times, starts)
    return latest


def counted(groups: Ids, states: States, count: int) -> npt.NDArray[np.int64]:
    """How many tasks of each group are in each state: one row a group."""
    cells = groups.astype(np.int64) * len(State) + states
    return np.bincount(cells, minlength=count * len(State)).reshape(count, len(State))
