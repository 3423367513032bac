"""Containers of several sizes: who may take what, and what goes on with the next: the contract."""

from __future__ import annotations

import msgpack
import pytest
from awaiting import eventually
from bundle_graphs import Graph, begun, names

from dask_serverless.coordination.base import OK, Whom
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.coordination.sizes import of_size, size_of
from dask_serverless.coordination.untold import Dead

SIZES = (512, 2048)
SMALL, LARGE = {"memory_mb": 512, "wanted_mb": 512}, {"memory_mb": 2048, "wanted_mb": 2048}


def test_a_bundle_is_given_to_no_container_that_is_too_small_for_it(coordination):
    graph = Graph([[], []], [-1, -2], SIZES)
    run = begun(coordination, graph)
    assert names(run.claim("small", "k1", invited=True, **SMALL).assignment) == 0
    answer = run.publish("small", graph.report(0, "k1"), "k2")
    assert answer.assignment is None
    assert names(run.claim("large", "k3", invited=True, **LARGE).assignment) == 1


def test_a_large_container_takes_what_needs_it_first_and_then_what_does_not(coordination):
    graph = Graph([[], [], []], [-1, of_size(3, 1), -2], SIZES)
    run = begun(coordination, graph)
    given = [names(run.claim("large", "k0", **LARGE).assignment)]
    for number in range(2):
        report = graph.report(given[-1], f"k{number}")
        given.append(names(run.publish("large", report, f"k{number + 1}").assignment))
    assert given == [2, 1, 0]


def test_containers_are_invited_by_what_ready_bundles_need_each_once(coordination):
    graph = Graph([[], [0], [0], [0]], [-1, -2, -2, -1], SIZES)
    run = begun(coordination, graph, containers=4)
    run.claim("c1", "k1", **SMALL)
    answer = run.publish("c1", graph.report(0, "k1"), "k2")
    assert names(answer.assignment) == 3
    assert answer.invitations == [Whom(memory_mb=2048)] * 2
    assert run.sweep((), 60).invitations == []  # asked for a moment ago
    late = run.claim("small", "k3", invited=True, **SMALL)
    assert (late.assignment, late.invitations) == (None, [])
    assert names(run.claim("large", "k4", invited=True, **LARGE).assignment) == 1


def test_who_came_early_and_is_too_small_has_a_larger_one_invited(coordination):
    graph = Graph([[]], [-2], SIZES)
    run = begun(coordination, graph)
    answer = run.claim("small", "k1", invited=True, **SMALL)
    assert (answer.assignment, answer.invitations) == (None, [Whom(memory_mb=2048)])


def test_a_child_that_its_maker_is_too_small_for_goes_to_others(coordination):
    graph = Graph([[], [0]], [-1, -2], SIZES)
    run = begun(coordination, graph)
    run.claim("small", "k1", **SMALL)
    answer = run.publish("small", graph.near(0, "k1", [1], reference=b"r0"), "k2")
    assert answer.assignment is None
    stored = run.publish("small", graph.report(0, "k1", b"r0"), "k3")
    assert stored.invitations == [Whom(memory_mb=2048)]
    assert names(run.claim("large", "k4", invited=True, **LARGE).assignment) == 1


@pytest.mark.parametrize("slots", [(-1, -1), (0, 0), (of_size(0, 1), of_size(0, 1))])
def test_what_outgrew_its_container_goes_on_with_the_next_size(coordination, slots):
    sizes = (512, 1024, 2048)
    graph = Graph([[], []], slots, sizes)
    run = begun(coordination, graph)
    first = sizes[max(0, size_of(slots[0]))]
    larger = sizes[sizes.index(first) + 1]
    told = {"memory_mb": first, "wanted_mb": first}
    assert names(run.claim("c1", "k1", invited=True, **told).assignment) == 0
    condition = run.sweep([Dead("c1", "out of memory")], 60, outgrown=["c1"])
    assert {each.memory_mb for each in condition.invitations} == {larger}
    again = run.sweep([Dead("c1", "out of memory")], 60, outgrown=["c1"])
    assert again.invitations == [], "one step for one size"
    assert run.claim("c2", "k2", invited=True, **told).assignment is None
    told = {"memory_mb": larger, "wanted_mb": larger}
    assert names(run.claim("c3", "k3", invited=True, **told).assignment) == 0
    assert names(run.publish("c3", graph.report(0, "k3"), "k4").assignment) == 1


def test_a_slot_whose_container_has_become_too_small_is_taken_over(coordination):
    graph = Graph([[], [0], []], [0, 0, -1], SIZES)
    run = begun(coordination, graph, containers=3)
    assert names(run.claim("c1", "k1", **SMALL).assignment) == 2
    run.claim("c2", "k2", **SMALL)
    run.sweep([Dead("c1", "out of memory")], 60, outgrown=["c1"])
    answer = run.publish("c2", graph.report(0, "k2"), "k3")
    assert answer.assignment is None, "it is too small by now"
    assert answer.invitations
    done = names(run.claim("large", "k4", invited=True, **LARGE).assignment)
    report = graph.report(done, "k4")
    assert {done, names(run.publish("large", report, "k5").assignment)} == {1, 2}


def test_there_is_nothing_beyond_the_largest_size(coordination):
    graph = Graph([[]], [-2], SIZES)
    run = begun(coordination, graph)
    run.claim("c1", "k1", **LARGE)
    condition = run.sweep([Dead("c1", "out of memory")], 60, outgrown=["c1"])
    assert condition.invitations == [Whom(memory_mb=2048)]


def test_who_falls_silent_with_nearly_all_its_memory_in_use_was_too_small(coordination):
    graph = Graph([[], []], [-1, -1], SIZES)
    run = begun(coordination, graph, containers=3, lease_ms=300)
    assert names(run.claim("c1", "k1", **SMALL).assignment) == 0
    run.sweep([], 60)  # whoever it asks for has no part in this
    assert run.renew("c1", 0, "k1", tight="500 MiB of its limit of 512").status == OK
    asked = eventually(lambda: run.sweep([], 60).invitations)
    assert {each.memory_mb for each in asked} == {LARGE["memory_mb"]}
    assert run.claim("c2", "k2", **SMALL).assignment is None


def test_memory_that_another_bundle_had_in_use_explains_no_silence(coordination):
    graph = Graph([[], []], [-1, -1], SIZES)
    run = begun(coordination, graph, containers=3, lease_ms=300)
    run.claim("c1", "k1", **SMALL)
    run.renew("c1", 0, "k1", tight="500 MiB of its limit of 512")
    assert names(run.publish("c1", graph.report(0, "k1"), "k2").assignment) == 1
    again = eventually(lambda: run.sweep([], 60) and run.claim("c2", "k3", **SMALL).assignment)
    assert names(again) == 1, "the size will do"


def test_what_is_told_of_silent_containers_has_the_memory_that_was_in_use(coordination):
    run = begun(coordination, Graph([[]]), containers=3, lease_ms=300, attempts=1)
    run.claim("c1", "k1")
    run.renew("c1", 0, "k1", tight="500 MiB of its limit of 512")
    _, bundle, tries, story = msgpack.unpackb(eventually(lambda: run.sweep([], 60).error))
    ((container, why, *_),) = story
    assert (bundle, tries, container) == (0, 1, "c1")
    assert why.startswith("no sign of life since it had 500 MiB of its limit of 512 of memory")


def test_a_run_of_several_sizes_leaves_no_keys(link):
    graph = Graph([[], [0]], [-1, -2], (512, 1024, 2048))
    run = RedisCoordination(link, "run", "epoch")
    run.submit(graph.submission())
    run.claim("c1", "k1", invited=True, **SMALL)
    run.sweep([Dead("c1", "why")], 60, outgrown=["c1"])
    keys = link.call(("KEYS", "*"))[0]
    assert {b"ds:{run}:ready2", b"ds:{run}:invites1", b"ds:{run}:sizes"} <= set(keys)
    ends = link.call(*(("TTL", key) for key in keys))
    assert min(ends) > 0, "each has an expiry"
    run.close()
    assert link.call(("KEYS", "*")) == [[]]
