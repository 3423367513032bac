"""View: one run as pages show it; made once, refreshed as events arrive, read by many sessions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dask_serverless.client.structure import Structure
from dask_serverless.dashboard.critical import critical_path
from dask_serverless.dashboard.groups import Groups, groups_of
from dask_serverless.dashboard.layout import TaskLayout, task_layout
from dask_serverless.dashboard.moments import States, counted, retried, states_at
from dask_serverless.dashboard.seen import NEVER
from dask_serverless.dashboard.series import Series
from planners.graph.arrays import Ids


@dataclass(frozen=True, eq=False)
class Moment:
    """The states of all tasks at one time of a run."""

    at: float  # infinity: the latest there is
    version: int
    states: States
    counts: npt.NDArray[np.int64]  # a row for each group, a column for each state
    retried: Ids  # also those that are done by now


class View:
    """``lock`` is held by whoever changes the series or reads several of its parts."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.series = Series(structure)
        self.lock = threading.RLock()
        self.listeners: set[Callable[[], None]] = set()
        self.latest: Moment | None = None
        self.path: tuple[int, Ids] = (-1, np.empty(0, dtype=np.int32))  # and its version

    @cached_property
    def groups(self) -> Groups:
        return groups_of(self.structure)

    @cached_property
    def layout(self) -> TaskLayout:
        return task_layout(self.structure)

    @cached_property
    def user_counts(self) -> npt.NDArray[np.int64]:
        return np.bincount(self.structure.inputs, minlength=self.structure.tasks)

    def moment(self, at: float = NEVER) -> Moment:
        """Shared by all sessions that look at the latest one."""
        with self.lock:
            latest = self.latest
            if at == NEVER and latest is not None and latest.version == self.series.version:
                return latest
            states = states_at(self.series, at)
            counts = counted(self.groups.of, states, self.groups.count)
            moment = Moment(at, self.series.version, states, counts, retried(self.series, at))
            if at == NEVER:
                self.latest = moment
            return moment

    def critical_path(self) -> Ids:
        """The tasks that the end had to wait for, as far as is known."""
        with self.lock:
            if self.path[0] != self.series.version:
                self.path = self.series.version, critical_path(self.series, self.layout.levels)
            return self.path[1]

    def changed(self) -> None:
        for listener in list(self.listeners):
            listener()
