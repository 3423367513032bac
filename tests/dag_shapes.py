"""Small builders of Dags with a shape that can be said in a word, and random ones."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from planners.graph.dag import Dag


class Graph:
    """Tasks one by one; every task comes after its inputs."""

    def __init__(self):
        self.tasks = 0
        self.edges = []

    def task(self, *inputs):
        self.edges.extend((producer, self.tasks) for producer in inputs)
        self.tasks += 1
        return self.tasks - 1

    def each(self, producers):
        return [self.task(producer) for producer in producers]

    def tree(self, leaves, split=2):
        while len(leaves) > 1:
            leaves = [self.task(*leaves[at : at + split]) for at in range(0, len(leaves), split)]
        return leaves[0]

    def dag(self):
        """Depth first, as the engine hands graphs to planners."""
        forward = [(self.tasks - 1 - one, self.tasks - 1 - other) for one, other in self.edges]
        return from_pairs(self.tasks, forward)


def from_pairs(tasks, pairs, **options):
    return Dag.from_edges(tasks, [one for one, _ in pairs], [two for _, two in pairs], **options)


def chain(tasks):
    return from_pairs(tasks, list(pairwise(range(tasks))))


def independent(tasks):
    return from_pairs(tasks, [])


def tree(leaves, split=2):
    graph = Graph()
    graph.tree([graph.task() for _ in range(leaves)], split)
    return graph.dag()


def diamond():
    graph = Graph()
    graph.task(*graph.each([graph.task()] * 2))
    return graph.dag()


def fan_out(width):
    graph = Graph()
    graph.each([graph.task()] * width)
    return graph.dag()


def shuffle(partitions):
    graph = Graph()
    splits = [graph.task() for _ in range(partitions)]
    for _ in range(partitions):
        graph.task(*graph.each(splits))
    return graph.dag()


def stencil(width, steps):
    graph = Graph()
    row = [graph.task() for _ in range(width)]
    for _ in range(steps - 1):
        row = [graph.task(*row[max(0, at - 1) : at + 2]) for at in range(width)]
    return graph.dag()


def running_sum(blocks):
    graph = Graph()
    so_far = graph.task()
    for _ in range(blocks):
        block = graph.task()
        graph.task(block, so_far)
        so_far = graph.task(so_far, graph.task(block))
    return graph.dag()


@st.composite
def edge_lists(draw, max_tasks=30):
    """(tasks, edges) of a DAG under scrambled ids, with repeated edges; also without any task."""
    tasks = draw(st.integers(0, max_tasks))
    if tasks < 2:
        return tasks, []
    ids = draw(st.permutations(range(tasks)))
    span = draw(st.integers(1, tasks - 1))
    users = st.integers(1, tasks - 1)
    found = draw(st.lists(st.tuples(users, st.integers(1, span)), max_size=3 * tasks))
    edges = [(ids[max(0, user - back)], ids[user]) for user, back in found]
    return tasks, edges


def random_dag(seed, tasks, span=50, most_inputs=3):
    random = np.random.default_rng(seed)
    users = np.repeat(np.arange(1, tasks), random.integers(0, most_inputs + 1, tasks - 1))
    producers = np.maximum(0, users - 1 - random.integers(0, span, len(users)))
    return Dag.from_edges(tasks, tasks - 1 - producers, tasks - 1 - users)


def series_parallel(seed, tasks):
    """Parts one after another, or side by side between a fan-out and a fan-in."""
    random, graph = np.random.default_rng(seed), Graph()

    def part(size, start):
        if size <= 1:
            return graph.task(*start)
        if random.random() < 0.5:
            first = int(random.integers(1, size))
            return part(size - first, [part(first, start)])
        source, width = graph.task(*start), int(random.integers(2, 5))
        return graph.task(*[part((size - 2) // width, [source]) for _ in range(width)])

    part(tasks, [])
    return from_pairs(graph.tasks, graph.edges)


def layered(seed, tasks, width=10, most_inputs=3):
    """Each task takes some of the layer before."""
    random, graph = np.random.default_rng(seed), Graph()
    row = [graph.task() for _ in range(width)]
    while graph.tasks < tasks:
        taken = [random.choice(row, int(random.integers(1, most_inputs + 1))) for _ in row]
        row = [graph.task(*map(int, each)) for each in taken]
    return from_pairs(graph.tasks, graph.edges)
