"""Synthetic: trees, stencils, butterflies and random layers, with more or less to communicate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.dags.workflow import Workflow
from planners.graph.dag import Dag

MEAN_SECONDS = 10.0
BYTES_PER_SECOND = 50e6  # that a container reads or writes; what the ratios are about
MEMORY_MB = (128, 256, 512, 1024)

Edges = list[tuple[int, int]]


def with_ratio(edges: Edges, tasks: int, ratio: float, seed: int) -> Workflow:
    """Random times, and outputs that take ``ratio`` times as long to move as tasks to run."""
    random = np.random.default_rng(seed)
    dag = Dag.from_edges(tasks, [one for one, _ in edges], [other for _, other in edges])
    seconds = random.gamma(4.0, MEAN_SECONDS / 4.0, tasks)
    moved = ratio * MEAN_SECONDS * random.uniform(0.5, 1.5, tasks)
    output_bytes = np.rint(moved * BYTES_PER_SECOND).astype(np.int64)
    return Workflow(dag, seconds, output_bytes, random.choice(MEMORY_MB, tasks))


def reduction(leaves: int, split: int) -> tuple[Edges, int]:
    edges: Edges = []
    row, tasks = list(range(leaves)), leaves
    while len(row) > 1:
        groups = [row[at : at + split] for at in range(0, len(row), split)]
        edges.extend((each, tasks + place) for place, group in enumerate(groups) for each in group)
        row = list(range(tasks, tasks + len(groups)))
        tasks += len(groups)
    return edges, tasks


def divide_and_conquer(leaves: int) -> tuple[Edges, int]:
    """A tree that grows from one task to its leaves and shrinks again."""
    edges, tasks = reduction(leaves, 2)
    grown = [(tasks - 1 - user, tasks - 1 - one) for one, user in edges]
    # The leaves of the growing tree are the leaves of the shrinking one.
    shift = tasks - leaves
    shrunk = [(one + shift, user + shift) for one, user in edges]
    return grown + shrunk, 2 * tasks - leaves


def stencil(width: int, steps: int) -> tuple[Edges, int]:
    edges = [
        (step * width + other, (step + 1) * width + place)
        for step in range(steps - 1)
        for place in range(width)
        for other in range(max(0, place - 1), min(width, place + 2))
    ]
    return edges, width * steps


def butterfly(stages: int) -> tuple[Edges, int]:
    """Each stage combines places whose numbers differ in one bit, as in an FFT."""
    width = 2**stages
    edges = [
        (stage * width + other, (stage + 1) * width + place)
        for stage in range(stages)
        for place in range(width)
        for other in (place, place ^ (1 << stage))
    ]
    return edges, width * (stages + 1)


def layered(widths: Sequence[int], most_inputs: int, seed: int) -> tuple[Edges, int]:
    """Each task takes a few outputs of the layer before, now and then one from farther back."""
    random = np.random.default_rng(seed)
    edges: Edges = []
    start, before = 0, 0  # of the layer before, and how many tasks come before that
    tasks = widths[0]
    for width in widths[1:]:
        for user in range(tasks, tasks + width):
            found = {int(one) for one in random.integers(start, tasks, most_inputs)}
            if before and random.random() < 0.1:
                found.add(int(random.integers(0, before)))
            edges.extend((one, user) for one in sorted(found))
        start, before, tasks = tasks, tasks, tasks + width
    return edges, tasks


def random_widths(layers: int, mean: int, seed: int) -> list[int]:
    random = np.random.default_rng(seed)
    return [int(width) for width in random.integers(max(1, mean // 2), mean * 3 // 2 + 1, layers)]
