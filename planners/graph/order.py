"""A depth-first topological order: producers first, and close to whoever uses them."""

from __future__ import annotations

import numpy as np

from planners.graph.arrays import Ids, Offsets, gather_rows, places_in


class CycleError(ValueError):
    """The graph has a cycle; ``task`` is on it."""

    def __init__(self, task: int) -> None:
        super().__init__(f"task {task} is on a cycle")
        self.task = task


def depth_first_order(offsets: Offsets, inputs: Ids, roots: Ids) -> Ids:
    """All tasks, each after its inputs, in post-order from ``roots`` and then from the rest.

    Neighbours in this order share inputs or users, which is what planners look for: a level by
    level order would put the two inputs of a reduction as far apart as the graph is wide.
    """
    tasks = len(offsets) - 1
    ends: list[int] = offsets[1:].tolist()
    cursors: list[int] = offsets[:-1].tolist()  # the next input to look at; -1 once finished
    inputs_list: list[int] = inputs.tolist()
    opened = bytearray(tasks)
    order: list[int] = []
    starts = roots.tolist()
    starts.extend(range(tasks))  # tasks of a part without outputs, which then holds a cycle
    for start in starts:
        if cursors[start] < 0:
            continue
        task = start
        path: list[int] = []
        while True:
            cursor = cursors[task]
            if cursor < ends[task]:
                cursors[task] = cursor + 1
                producer = inputs_list[cursor]
                if cursors[producer] < 0:
                    continue
                opened[task] = 1
                if opened[producer]:
                    raise CycleError(producer)
                path.append(task)
                task = producer
                continue
            cursors[task] = -1
            opened[task] = 0
            order.append(task)
            if not path:
                break
            task = path.pop()
    return np.array(order, dtype=np.int32)


def renumber(offsets: Offsets, inputs: Ids, order: Ids) -> tuple[Offsets, Ids]:
    """The same rows with ids replaced by their places in ``order``, each row sorted."""
    tasks = len(order)
    places = places_in(order)
    new_offsets, rows = gather_rows(offsets, inputs, order)
    new_inputs = places[rows]
    users = np.repeat(np.arange(tasks, dtype=np.int64), np.diff(new_offsets))
    keys = users * max(tasks, 1) + new_inputs
    keys.sort()
    return new_offsets, (keys % max(tasks, 1)).astype(np.int32)
