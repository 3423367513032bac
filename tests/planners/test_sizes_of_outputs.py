"""Sizes of outputs that depend on those of inputs, however many of these there are in a row."""

from __future__ import annotations

import numpy as np
import pytest

from planners.graph.dag import Dag
from planners.numbers.predictions import Line, Lines
from planners.numbers.workload import _one_by_one, _propagate

FUNCTIONS = Lines.of([Line(8.0, 0.5, 3, 100.0), Line(64.0, 0.0, 3, 1e9), Line(0.0, 1.5, 3, 1e9)])


def tree(leaves: int) -> tuple[list[int], list[int]]:
    producers, consumers, layer, tasks = [], [], list(range(leaves)), leaves
    while len(layer) > 1:
        above = list(range(tasks, tasks + len(layer) // 2))
        producers += layer
        consumers += np.repeat(above, 2).tolist()
        layer, tasks = above, tasks + len(above)
    return producers, consumers


def chain(tasks: int) -> tuple[range, range]:
    return range(tasks - 1), range(1, tasks)


def random_edges(tasks: int) -> tuple[list[int], list[int]]:
    users = np.repeat(np.arange(1, tasks), 2)
    return (np.random.default_rng(3).random(len(users)) * users).astype(
        int
    ).tolist(), users.tolist()


@pytest.mark.parametrize(
    ("tasks", "edges"),
    [(1023, tree(512)), (500, chain(500)), (600, random_edges(600)), (3, chain(3)), (1, ([], []))],
)
def test_all_at_once_gives_what_one_by_one_does(tasks, edges):
    functions = np.arange(tasks) % 3
    dag = Dag.from_edges(tasks, *edges, functions=functions, constant_bytes=functions * 7)
    columns = (FUNCTIONS.base, FUNCTIONS.per_byte, FUNCTIONS.reach)
    wanted = _one_by_one(dag, *[column[dag.functions] for column in columns])
    for found, expected in zip(_propagate(dag, FUNCTIONS), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_sizes_that_grow_without_an_end_warn_nobody(recwarn):
    dag = Dag.from_edges(1023, *tree(512))
    endless = Lines.of([Line(1e300, 1e300, 3, np.inf)])
    _, found = _propagate(dag, endless)
    assert found.max() == np.inf and not recwarn.list
