"""Where every task stands: columns by depth, rows by kinship. Worked out once, by arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dask_serverless.client.structure import Structure
from planners.graph.arrays import Floats, Ids, Offsets, offsets_from_counts

PULL = 4  # rounds in which tasks move towards what they take from


@dataclass(frozen=True, eq=False)
class TaskLayout:
    """x is a task's level, y lies between 0 and 1."""

    levels: Ids
    y: Floats

    @property
    def depth(self) -> int:
        return int(self.levels.max(initial=-1)) + 1

    @cached_property
    def widths(self) -> Ids:
        """How many tasks each level has."""
        return np.bincount(self.levels, minlength=self.depth).astype(np.int32)

    @cached_property
    def by_level(self) -> tuple[Ids, Offsets]:
        """Tasks ordered by level and y, and where each level begins."""
        order = np.lexsort((self.y, self.levels)).astype(np.int32)
        return order, offsets_from_counts(self.widths)

    def within(self, x0: float, x1: float, y0: float, y1: float) -> Ids:
        """The tasks of a rectangle."""
        first, last = max(0, int(np.ceil(x0))), min(self.depth - 1, int(np.floor(x1)))
        if last < first:
            return np.empty(0, dtype=np.int32)
        order, offsets = self.by_level
        tasks = order[offsets[first] : offsets[last + 1]]
        y = self.y[tasks]
        return tasks[(y >= y0) & (y <= y1)]

    def height_of(self, tasks: int, x0: float, x1: float) -> float:
        """Which part of the height so many tasks take, on the widest level of a part of the depth."""
        first, last = max(0, int(np.ceil(x0))), max(0, int(np.floor(x1)))
        return tasks / max(1, int(self.widths[first : last + 1].max(initial=1)))

    def crossing(
        self, sources: Ids, targets: Ids, x0: float, x1: float, y0: float, y1: float
    ) -> Ids:
        """The edges of which a part is in a rectangle, whether their ends are or not."""
        begins, ends = self.levels[sources], self.levels[targets]
        found = np.flatnonzero((begins <= x1) & (ends >= x0))
        begins, ends = begins[found], ends[found]
        from_y, to_y = self.y[sources[found]], self.y[targets[found]]
        steep = (to_y - from_y) / (ends - begins)  # levels grow along edges
        left = from_y + steep * (np.maximum(begins, x0) - begins)
        right = from_y + steep * (np.minimum(ends, x1) - begins)
        seen = (np.minimum(left, right) <= y1) & (np.maximum(left, right) >= y0)
        return found[seen].astype(np.int32)


def task_layout(structure: Structure) -> TaskLayout:
    levels = levels_of(structure.input_offsets, structure.inputs)
    return TaskLayout(levels, heights(structure, levels))


def levels_of(offsets: Offsets, inputs: Ids) -> Ids:
    """The longest way from a task without inputs to each one; ids are topological."""
    levels = [0] * (len(offsets) - 1)
    ends, taken = offsets.tolist(), inputs.tolist()
    first = 0
    for task, last in enumerate(ends[1:]):
        if last - first == 1:
            levels[task] = levels[taken[first]] + 1
        elif last > first:
            levels[task] = max([levels[producer] for producer in taken[first:last]]) + 1
        first = last
    return np.array(levels, dtype=np.int32)


def heights(structure: Structure, levels: Ids) -> Floats:
    """Ids are in depth-first order, so neighbours by id are kin; then towards the inputs' mean."""
    y = spread(np.arange(structure.tasks, dtype=np.float64), levels)
    counts = np.diff(structure.input_offsets)
    users = np.repeat(np.arange(structure.tasks), counts)
    for _ in range(PULL if len(structure.inputs) else 0):
        pulled = np.bincount(users, y[structure.inputs], structure.tasks)
        y = spread(np.where(counts > 0, pulled / np.maximum(counts, 1), y), levels)
    return y


def spread(wish: Floats, levels: Ids) -> Floats:
    """Evenly over each level, in the order of the wishes."""
    order = np.lexsort((wish, levels))
    widths = np.bincount(levels)
    starts = np.cumsum(widths) - widths
    mine = levels[order]
    rank = np.arange(len(order)) - starts[mine]
    y = np.empty(len(order))
    y[order] = (rank + 0.5) / widths[mine]
    return y
