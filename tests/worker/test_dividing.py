"""Bundles that are cut into parts: together these take and give what the bundle does."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import pytest

from dask_serverless.coordination.sizes import of_size
from dask_serverless.worker.bundle import (
    BundleSpec,
    Child,
    Limit,
    Near,
    decode,
    encode,
    pack_children,
    pack_releases,
)
from dask_serverless.worker.dividing import divided
from dask_serverless.worker.pieces import in_common, pieces_of, taken_by

AFTER = Limit(1.0, 1.0)

# Tasks 10 and 20 take input 1, 11 takes input 2, and 21 takes what 20 gives; -1 to -3 are constants.
PROGRAM = [
    (10, 0, (1, -1), None),
    (20, 0, (1, -2), None),
    (-9, 1, (2,), None),  # a step of task 11
    (11, 0, (-9, -1), None),
    (21, 0, (20, -3), None),
]
SPEC = BundleSpec(
    slot=of_size(4, 1),
    inputs=(1, 2),
    program=PROGRAM,
    constants={-1: "one"},
    pickled={-2: b"two"},
    hoisted={-3: b"three"},
    stored=(10, 11, 21),
    wanted=(11,),
    children=pack_children([Child(7, 3, 0, 4, [0, 2]), Child(8, -1, 1, 2, [8])]),
    releases=pack_releases([(1, 1), (2, 3)]),
    starts=((1, 0.5, 0),),
    ahead=(2,),
    given=(10, 21, 11),
    near=(Near(7, 1.0),),
    early=(10, 21),
    streamed=(21,),
    coming=(2,),
    limit=Limit(5.0, 1.0),
)


def outs(piece):
    return [step[0] for step in piece]


def test_what_needs_one_another_is_one_piece_and_the_steps_of_a_task_stay_together():
    assert [outs(piece) for piece in pieces_of(PROGRAM)] == [[10], [20, 21], [-9, 11]]


def test_a_task_that_takes_from_two_pieces_makes_them_one():
    program = [(task, 0, (), None) for task in range(4)] + [(4, 0, (1, 3), None)]
    assert [outs(piece) for piece in pieces_of(program)] == [[0], [1, 3, 4], [2]]


def test_inputs_and_constants_of_several_pieces_are_in_common():
    assert in_common(pieces_of(PROGRAM)) == {1, -1}


@pytest.fixture
def parts():
    first, second, third = pieces_of(PROGRAM)
    return divided(SPEC, 5, [[first], [second], [third]], AFTER)


def test_each_part_takes_and_gives_its_own(parts):
    assert [part.inputs for part in parts.specs] == [(1,), (1,), (2,)]
    assert [part.stored for part in parts.specs] == [(10,), (21,), (11,)]
    assert [part.wanted for part in parts.specs] == [(), (), (11,)]
    assert [dict(part.constants) for part in parts.specs] == [{-1: "one"}, {}, {-1: "one"}]
    assert [dict(part.pickled) for part in parts.specs] == [{}, {-2: b"two"}, {}]
    assert [dict(part.hoisted) for part in parts.specs] == [{}, {-3: b"three"}, {}]
    rows = [msgpack.unpackb(part.children) for part in parts.specs]
    assert rows == [[[7, 3, 0, 4, 0]], [[7, 3, 0, 4, 2]], [[8, -1, 1, 2, 8]]]
    assert [part.early for part in parts.specs] == [(10,), (21,), ()]
    assert [part.streamed for part in parts.specs] == [(), (21,), ()]


def test_an_input_of_this_bundle_alone_is_released_by_the_last_of_its_parts(parts):
    releases = [msgpack.unpackb(part.releases) for part in parts.specs]
    assert releases == [[1, 2], [1, 2], [2, 3]]
    assert parts.uses == []


def test_of_an_input_that_other_bundles_take_the_store_is_told_how_many_parts_do():
    for takers in (2, 4):
        spec = replace(SPEC, releases=pack_releases([(1, takers)]))
        found = divided(spec, 5, [[piece] for piece in pieces_of(PROGRAM)], AFTER)
        releases = [msgpack.unpackb(part.releases) for part in found.specs]
        assert releases == [[1, takers], [1, takers], []]
        assert found.uses == [1, 1]


def test_a_part_that_gives_several_outputs_says_which_edge_carries_which(parts):
    assert [part.given for part in parts.specs] == [(), (), ()]  # one each needs no saying
    first, second, third = pieces_of(PROGRAM)
    both = divided(SPEC, 5, [[first, second], [third]], AFTER).specs
    assert [part.given for part in both] == [(10, 21), ()]


def test_what_the_plan_had_for_the_container_of_the_slot_stays_there(parts):
    kept, *others = parts.specs
    assert (kept.slot, kept.starts, kept.ahead, kept.coming) == (
        SPEC.slot, SPEC.starts, SPEC.ahead, SPEC.coming
    )  # fmt: skip
    assert kept.limit == SPEC.limit
    for part in others:
        assert (part.slot, part.starts, part.ahead, part.coming) == (of_size(-1, 1), (), (), ())
        assert part.limit == AFTER


def test_no_output_of_a_part_stays_in_memory(parts):
    assert [part.near for part in parts.specs] == [(), (), ()]
    kept, *others = divided(
        replace(SPEC, near=None), 5, [[piece] for piece in pieces_of(PROGRAM)], AFTER
    ).specs
    assert kept.near is None, "it decides by size, as before"
    assert [part.near for part in others] == [(), ()]


def test_parts_know_of_which_bundle_of_the_plan_they_are_also_in_turn(parts):
    assert {part.whole for part in parts.specs} == {5}
    again = divided(parts.specs[1], 9, [pieces_of(parts.specs[1].program)], AFTER)
    assert again.specs[0].whole == 5


def test_all_of_it_arrives_as_it_was_sent(parts):
    for part in parts.specs:
        assert decode(encode(part), pytest.fail) == part


def test_a_part_takes_what_its_tasks_do_not_make():
    assert taken_by(PROGRAM) == {1, 2, -1, -2, -3}
