"""Focus: which tasks somebody wants to see one by one, wherever in the run they are."""

from __future__ import annotations

import numpy as np

from dask_serverless.dashboard.groups import key_shown
from dask_serverless.dashboard.states import State
from dask_serverless.dashboard.view import Moment, View
from planners.graph.arrays import Ids, gather_rows

IN_VIEW, CRITICAL, SELECTED, FAILED = range(4)
NAMES = ("in view", "critical path", "selected", "failed")
NOTHING: Ids = np.empty(0, dtype=np.int32)


class Focus:
    """``selected`` are those that were clicked at, boxed in or found by their keys."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.mode = IN_VIEW
        self.selected = NOTHING

    def tasks(self, moment: Moment | None) -> Ids | None:
        """In the order of their numbers; None stands for whatever is in view."""
        if self.mode == CRITICAL:
            return np.sort(self.view.critical_path())
        if self.mode == SELECTED:
            return self.with_neighbours(self.selected)
        if self.mode == FAILED:
            return failed(moment)
        return None

    def with_neighbours(self, tasks: Ids) -> Ids:
        """And what these take from, and what takes from them."""
        structure = self.view.structure
        _, inputs = gather_rows(structure.input_offsets, structure.inputs, tasks)
        wanted = np.zeros(structure.tasks, dtype=bool)
        wanted[tasks] = True
        edges = np.flatnonzero(wanted[structure.inputs])
        users = np.searchsorted(structure.input_offsets, edges, side="right") - 1
        return np.unique(np.concatenate((tasks, inputs, users))).astype(np.int32)

    def find(self, words: str) -> None:
        """The tasks whose keys contain these words."""
        labels = self.view.structure.labels
        found = [task for task, label in enumerate(labels) if words in key_shown(label)]
        self.selected = np.array(found if words else [], dtype=np.int32)

    def pick(self, x0: float, x1: float, y0: float, y1: float) -> None:
        """The tasks of a rectangle of the layout."""
        self.selected = self.view.layout.within(x0, x1, y0, y1)

    def pick_group(self, group: int) -> None:
        self.selected = np.flatnonzero(self.view.groups.of == group).astype(np.int32)


def failed(moment: Moment | None) -> Ids:
    """Tasks that raised, up to a moment."""
    if moment is None:
        return NOTHING
    return np.flatnonzero(moment.states == State.FAILED).astype(np.int32)
