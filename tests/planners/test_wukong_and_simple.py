"""wukong and simple: chains as bundles, without slots and with them."""

import pytest
from dag_shapes import Graph, chain, diamond, fan_out, from_pairs, independent, tree

from planners.plans.plan import FLEXIBLE, Resources
from planners.simple import Simple
from planners.wukong import Wukong


@pytest.mark.parametrize(
    ("dag", "bundles"),
    [
        (independent(0), []),
        (independent(3), [0, 1, 2]),
        (chain(4), [0, 0, 0, 0]),
        (diamond(), [0, 1, 2, 3]),
        (from_pairs(5, [(0, 1), (1, 2), (3, 4), (4, 2)]), [0, 0, 1, 1, 2]),
        # 0 → 2 → 4 and 1 → 3 → 4, level by level: chains whose ids are no neighbours
        (from_pairs(5, [(0, 2), (1, 3), (2, 4), (3, 4)]), [0, 1, 0, 1, 2]),
        (from_pairs(4, [(0, 1), (0, 2), (1, 3)]), [0, 1, 2, 1]),
    ],
)
def test_every_chain_is_a_bundle(dag, bundles):
    assert Wukong().plan(dag, Resources(2)).bundles.tolist() == bundles
    assert Simple().plan(dag, Resources(2)).bundles.tolist() == bundles


def test_wukong_leaves_all_bundles_to_whoever_makes_them_ready():
    plan = Wukong().plan(tree(8), Resources(2, memory_mb=256))
    assert set(plan.slots.tolist()) == {FLEXIBLE}
    assert set(plan.memory_mb.tolist()) == {256}


def test_simple_deals_roots_in_blocks():
    assert Simple().plan(independent(6), Resources(3)).slots.tolist() == [0, 0, 1, 1, 2, 2]


def test_simple_keeps_the_first_user_and_spreads_the_others():
    assert Simple().plan(fan_out(4), Resources(2)).slots.tolist() == [0, 0, 1, 0, 1]


def test_simple_keeps_a_tree_with_its_leaves():
    graph = Graph()
    for _ in range(2):
        graph.tree([graph.task() for _ in range(4)])
    plan = Simple().plan(graph.dag(), Resources(2))
    assert sorted(plan.slots.tolist()) == [0] * 7 + [1] * 7
