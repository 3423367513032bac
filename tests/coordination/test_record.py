"""The twin's own bookkeeping: what is first in a queue, and that many containers cost no more each."""

from random import Random
from time import perf_counter

import pytest
from bundle_graphs import Graph

from dask_serverless.coordination.base import OK
from dask_serverless.coordination.memory import MemoryCoordination, MemoryStore
from dask_serverless.coordination.ordered import Ordered


@pytest.mark.parametrize("seed", range(20))
def test_an_ordered_set_is_a_set_with_a_smallest_entry(seed):
    random, ordered, plain = Random(seed), Ordered(), set()
    for _ in range(300):
        entry = random.randrange(20)
        if random.random() < 0.5:
            ordered.add(entry)
            plain.add(entry)
        elif random.random() < 0.7:
            ordered.discard(entry)
            plain.discard(entry)
        elif plain:
            plain.remove(smallest := min(plain))
            assert ordered.pop() == smallest
        assert ordered.smallest() == min(plain, default=None)
        assert len(ordered) == len(plain) and set(ordered) == plain
        assert entry in ordered if entry in plain else entry not in ordered


def run_of(inputs, slots=()):
    graph = Graph(inputs, slots)
    run = MemoryCoordination(MemoryStore(clock=lambda: 1.0), "run", "epoch")
    run.submit(graph.submission(containers=len(inputs)))
    return graph, run


@pytest.mark.parametrize("slotted", [False, True])
def test_three_thousand_containers_claim_in_the_time_that_their_number_takes(slotted):
    many = 3000
    graph, run = run_of([[]] * many, range(many) if slotted else ())
    begun = perf_counter()
    for number in range(many):
        answer = run.claim(f"c{number}", f"k{number}", invited=True)
        assert answer.status == OK and answer.assignment.bundle == number
    assert perf_counter() - begun < 1.0  # of which 0.06 s is used; a scan a claim: 1.5


def test_a_fan_in_of_thousands_is_ready_with_its_last_edge_and_not_before():
    many = 2000
    graph, run = run_of([[]] * many + [range(many)])
    order = list(range(many))
    Random(1).shuffle(order)
    for bundle in order:
        run.claim(f"c{bundle}", f"k{bundle}")
    held = {name: bundle for name, (bundle, _) in run.record().working.items()}
    begun = perf_counter()
    *most, last = held
    for name in most:
        claim = run.record().state[held[name]]
        assert run.publish(name, graph.report(held[name], claim), "next").assignment is None
    claim = run.record().state[held[last]]
    assert run.publish(last, graph.report(held[last], claim), "next").assignment.bundle == many
    assert perf_counter() - begun < 2.0
