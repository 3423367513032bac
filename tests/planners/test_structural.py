"""structural: which tasks share a bundle, for shapes whose good bundles are known."""

import numpy as np
import pytest
from dag_shapes import (
    Graph,
    chain,
    diamond,
    fan_out,
    independent,
    random_dag,
    running_sum,
    shuffle,
    stencil,
    tree,
)

from planners.graph.arrays import unique_pairs
from planners.graph.quotient import Quotient
from planners.grouping.trial import makespan
from planners.plans.bundles import bundles_of
from planners.plans.plan import FLEXIBLE, Resources
from planners.structural import Structural


def planned(dag, containers=2):
    plan = Structural().plan(dag, Resources(containers))
    plan.validate(dag)
    return plan


def sizes(plan):
    return np.bincount(plan.bundles, minlength=len(plan.slots))


def travelling_roots(dag, plan):
    """Tasks without inputs whose output another bundle takes."""
    crossing = plan.bundles[dag.inputs] != plan.bundles[dag.edge_users]
    travelling = np.unique(dag.inputs[crossing])
    return travelling[dag.input_counts[travelling] == 0]


def slowdown(dag, containers=2):
    """How much longer than in bundles of one task each, if all tasks take a second."""
    tasks = Quotient.of_tasks(dag)
    bundled = tasks.merged(planned(dag, containers).bundles, len(planned(dag, containers).slots))
    alone = tasks.reordered(tasks.by_urgency())
    return makespan(bundled, 1.0 * bundled.weights, containers) / makespan(
        alone, 1.0 * alone.weights, containers
    )


def test_a_chain_is_one_bundle():
    assert len(planned(chain(5000)).slots) == 1


def test_chains_are_never_cut():
    graph = Graph()
    ends = [graph.task() for _ in range(16)]
    for _ in range(100):
        ends = graph.each(ends)
    assert sizes(planned(graph.dag())).tolist() == [101] * 16


@pytest.mark.parametrize("tasks", [2, 4, 16])
def test_few_independent_tasks_stay_apart_since_they_may_be_long(tasks):
    assert sizes(planned(independent(tasks))).tolist() == [1] * tasks


def test_many_independent_tasks_are_dealt_evenly():
    assert sizes(planned(independent(64))).tolist() == [4] * 16


def test_the_branches_of_a_diamond_run_side_by_side():
    plan = planned(diamond())
    assert len(set(plan.bundles[1:3].tolist())) == 2


@pytest.mark.parametrize("split", [2, 4, 16])
def test_a_tree_becomes_subtrees_and_a_top(split):
    # Given a reduction of 4,096 leaves
    dag = tree(4096, split)
    # When it is planned for two containers
    plan = planned(dag)
    # Then each bundle waits for nothing, but for one
    bundles = bundles_of(dag, plan)
    assert bundles.count - len(bundles.roots) == 1
    assert len(plan.slots) == 17
    assert slowdown(dag) < 1.02


def test_pieces_of_a_shuffle_stay_with_what_they_are_cut_from():
    dag = shuffle(40)
    plan = planned(dag)
    pieces = np.flatnonzero((dag.input_counts == 1) & (dag.user_counts == 1))
    sources = dag.inputs[dag.input_offsets[pieces]]
    assert (plan.bundles[pieces] == plan.bundles[sources]).all()


def test_a_wide_fan_out_does_not_wait_for_a_part_of_itself():
    dag = fan_out(200)
    plan = planned(dag)
    assert sizes(plan)[plan.bundles[0]] == 1


def test_the_two_users_of_mirrored_blocks_share_a_bundle():
    # Given blocks of x, and of x + x.T, which takes x[i, j] and x[j, i]
    side = 8
    graph = Graph()
    blocks = [[graph.task() for _ in range(side)] for _ in range(side)]
    sums = {
        (i, j): graph.task(*{blocks[i][j], blocks[j][i]}) for i in range(side) for j in range(side)
    }
    dag = graph.dag()
    # When it is planned
    plan = planned(dag)
    # Then nothing travels
    assert len(sums) == side * side
    assert len(bundles_of(dag, plan).edge_tasks) == 0


def test_what_one_model_says_of_a_block_is_made_where_the_block_is():
    # Given forty blocks, and a model that all predictions take
    graph = Graph()
    model = graph.task()
    predictions = [graph.task(model, graph.task()) for _ in range(40)]
    graph.tree(predictions, split=40)
    dag = graph.dag()
    # When it is planned
    plan = planned(dag)
    # Then of what is read only the model travels
    assert len(travelling_roots(dag, plan)) == 1


def test_a_small_matrix_does_not_tear_rows_of_blocks_apart():
    # Given blocks of x, and of x @ w, where each block of w meets a whole column of x
    rows, columns = 12, 6
    graph = Graph()
    small = [graph.task() for _ in range(columns)]
    graph.tree(
        [
            graph.tree([graph.task(graph.task(), small[j]) for j in range(columns)], split=columns)
            for _ in range(rows)
        ],
        split=rows,
    )
    dag = graph.dag()
    # When it is planned
    plan = planned(dag)
    # Then hardly a block of x travels
    assert len(travelling_roots(dag, plan)) <= columns + rows * columns // 8


@pytest.mark.parametrize(
    ("dag", "containers", "most"),
    [
        (stencil(40, 40), 2, 1.1),
        (stencil(8, 500), 2, 1.25),
        (stencil(500, 8), 4, 1.1),
        (running_sum(500), 2, 1.15),
        (running_sum(500), 16, 1.15),
        (random_dag(3, 3000, span=30), 2, 1.2),
        (random_dag(4, 3000, span=1000), 8, 1.2),
    ],
    ids=["stencil", "narrow", "wide", "running sum", "running sum, many", "random", "loose"],
)
def test_bundles_leave_room_for_all_containers(dag, containers, most):
    assert slowdown(dag, containers) < most


@pytest.mark.parametrize("seed", range(6))
def test_many_tasks_never_get_a_bundle_each(seed):
    dag = random_dag(seed, 4000, span=[5, 50, 500][seed % 3])
    assert len(planned(dag).slots) < dag.tasks / 4


@pytest.mark.parametrize("containers", [1, 2, 8, 64])
def test_every_container_gets_several_bundles(containers):
    dag = tree(8192)
    assert len(planned(dag, containers).slots) >= 8 * containers


def test_bundles_are_flexible_and_of_the_size_that_was_asked_for():
    plan = Structural().plan(tree(100), Resources(2, memory_mb=512))
    assert set(plan.slots.tolist()) == {FLEXIBLE}
    assert set(plan.memory_mb.tolist()) == {512}


def test_more_tasks_take_in_proportion_more_bundles_at_most():
    """A bundle is also what is run again when a container is lost."""
    assert sizes(planned(independent(300_000))).max() <= 4096


def test_pairs_that_differ_only_in_order_are_the_same():
    rows, values = unique_pairs(np.array([1, 0, 1]), np.array([2, 3, 2]), 4)
    assert (rows.tolist(), values.tolist()) == ([0, 1], [3, 2])
