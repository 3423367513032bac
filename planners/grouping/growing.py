"""Growing: join tasks into groups that start together, in one pass from producers to users."""

from __future__ import annotations

import numpy as np

from planners.graph.arrays import Flags, Ids
from planners.graph.quotient import Quotient


def grow(
    graph: Quotient,
    capacity: int,
    merge_capacity: int,
    apart: Flags | None = None,
    first: Flags | None = None,
) -> tuple[Ids, Ids]:
    """Node → group (named by one of its nodes), and node → phase of its group.

    Every edge between two groups goes from a lower phase to a higher one. That alone makes the
    graph of groups acyclic, whatever else is merged within a phase. A group takes in nodes up to
    ``capacity`` tasks; a node merges the groups of its inputs up to ``merge_capacity``. Nodes that
    are set ``apart`` join no group; those that come ``first`` have a phase to themselves.
    """
    parents = list(range(graph.nodes))  # union-find; the root of a group is its name
    sizes: list[int] = graph.weights.tolist()
    phases = [0] * graph.nodes if first is None else (~first).astype(int).tolist()
    fans: list[int] = np.bincount(graph.inputs, minlength=graph.nodes).tolist()
    inputs: list[int] = graph.inputs.tolist()
    too_much = capacity + 1
    if apart is not None:
        for node in np.flatnonzero(apart).tolist():
            sizes[node] = too_much
    begin = 0
    for node, end in enumerate(graph.input_offsets[1:].tolist()):
        if begin == end:
            continue
        producer = inputs[begin]
        group = parents[producer]
        while parents[group] != group:
            group = parents[group]
        parents[producer] = group
        if end - begin == 1:
            begin = end
            total = sizes[group] + sizes[node]
            if total <= capacity and fans[producer] <= capacity:
                parents[node] = group
                sizes[group] = total
            else:
                phases[node] = phases[group] + 1
            continue
        # The groups of the highest phase among the inputs, each once, and what they hold. Once
        # they are too much to join there is no need to tell them apart: fan-ins of any width.
        highest, tops = phases[group], {group}
        total = sizes[group] + sizes[node] if fans[producer] <= capacity else too_much
        for place in range(begin + 1, end):
            producer = inputs[place]
            group = parents[producer]
            while parents[group] != group:
                group = parents[group]
            parents[producer] = group
            phase = phases[group]
            if phase > highest:
                highest, tops, total = phase, {group}, sizes[group] + sizes[node]
            elif phase < highest or total > capacity:
                continue
            elif group not in tops:
                tops.add(group)
                total += sizes[group]
            if fans[producer] > capacity:
                total = too_much
        begin = end
        if total <= (merge_capacity if len(tops) > 1 else capacity):
            group = min(tops)
            for other in tops:
                parents[other] = group
            parents[node] = group
            sizes[group] = total
        else:
            phases[node] = highest + 1
    return _flattened(parents, phases)


def _flattened(parents: list[int], phases: list[int]) -> tuple[Ids, Ids]:
    names = np.array(parents, dtype=np.int32)
    while True:
        above = names[names]
        if np.array_equal(above, names):
            return names, np.array(phases, dtype=np.int32)[names]
        names = above
