"""Which children get a bundle's large outputs from memory, and what is stored for the others."""

from __future__ import annotations

import msgpack
import numpy as np
import pytest

from dask_serverless.coordination.base import Report
from dask_serverless.worker.bundle import BundleSpec, Child, Near, pack_children
from dask_serverless.worker.handover import (
    ASK_BYTES,
    REMEMBERED_BYTES,
    Handover,
    large_outputs,
)

LARGE, HUGE = 1 << 16, 2 * ASK_BYTES


def spec(children, stored=(0,), given=(), wanted=(), slot=-1, near=None):
    return BundleSpec(
        slot=slot, inputs=(), program=[], constants={}, pickled={}, hoisted={}, stored=stored,
        wanted=wanted, children=pack_children(children), releases=b"", given=given, near=near,
    )  # fmt: skip


def child(bundle, bits, edges, slot=-1):
    return Child(bundle, slot, 0, edges, bits)


def near(handover, now=0.0):
    handover.look(now)
    return list(handover.near)


def told(handover):
    report = handover.told(Report(1, "k", [], b"", b"", b""))
    rows = msgpack.unpackb(report.near) if report.near else []
    announced = [row[0] for row in msgpack.unpackb(report.children)]
    return {row[0]: row[4] for row in rows}, announced, report.patient


def test_large_outputs_are_those_beyond_inline_that_the_client_does_not_want():
    values = {0: np.zeros(LARGE), 1: np.zeros(2), 2: np.zeros(LARGE), 3: "text"}
    found = large_outputs(spec([child(1, [0], 1)], (0, 1, 2, 3), wanted=(2,)), values, 1000)
    assert found == {0: 8 * LARGE}


def test_the_last_bundle_has_nothing_to_hand_over():
    assert large_outputs(spec([], (0,)), {0: np.zeros(LARGE)}, 1000) == {}


@pytest.mark.parametrize(
    ("size", "edges", "expected"),
    [
        pytest.param(LARGE, 1, [5], id="it waits for nothing else: no need to ask"),
        pytest.param(LARGE, 2, [], id="to ask costs more than to store"),
        pytest.param(HUGE, 2, [5], id="worth asking"),
        pytest.param(HUGE, 9, [], id="not if it is likely to wait for others, too"),
    ],
)
def test_an_only_child_gets_a_large_output_from_memory(size, edges, expected):
    handover = Handover(spec([child(5, [0], edges)]), {0: size}, 0.0)
    assert near(handover) == expected


def test_what_two_children_need_is_stored():
    handover = Handover(spec([child(5, [0], 1), child(6, [8], 1)]), {0: HUGE}, 0.0)
    assert near(handover) == []
    assert not handover.keeps(0)


def test_of_several_children_the_one_with_most_bytes_goes_on_here():
    children = [child(5, [0], 1), child(6, [8, 9], 2)]
    whole = spec(children, (0, 1, 2), (0, 1, 2))
    handover = Handover(whole, {0: HUGE, 1: HUGE, 2: HUGE}, 0.0)
    assert near(handover) == [6]
    assert told(handover) == ({6: [1, 2]}, [5], False)
    assert [handover.keeps(task) for task in (0, 1, 2)] == [False, True, True]


def test_a_child_of_another_slot_is_not_waited_for():
    handover = Handover(spec([child(5, [0], 1, slot=2)], slot=1), {0: HUGE}, 0.0)
    assert near(handover) == []


def test_a_plan_that_names_children_decides():
    children = [child(5, [0], 1), child(6, [8], 1)]
    whole = spec(children, near=(Near(5, 10.0), Near(6, 10.0)))
    handover = Handover(whole, {0: LARGE}, 0.0)
    assert told_after_look(handover, 0.0) == ({5: [0], 6: [0]}, [], True)
    handover.announced(given=5)
    assert told_after_look(handover, 5.0) == ({6: [0]}, [], True)


def told_after_look(handover, now):
    handover.look(now)
    return told(handover)


def test_without_room_to_wait_only_the_first_child_goes_on_here():
    children = [child(5, [0], 1), child(6, [8], 1)]
    whole = spec(children, near=(Near(5, 9.0), Near(6, 9.0)))
    assert near(Handover(whole, {0: LARGE}, 0.0, room=LARGE - 1)) == [5]
    assert near(Handover(whole, {0: LARGE}, 0.0, room=-1)) == []


def test_a_wait_ends():
    handover = Handover(spec([child(5, [0], 2)], near=(Near(5, 1.0),)), {0: LARGE}, 0.0)
    assert told_after_look(handover, 0.0) == ({5: [0]}, [], True)
    handover.announced(given=-1)
    near_rows, announced, _ = told_after_look(handover, 2.0)
    assert (near_rows, announced, handover.keeps(0)) == ({}, [5], False)


def test_with_nothing_else_to_do_all_is_stored():
    handover = Handover(spec([child(5, [0], 2)], near=(Near(5, 9.0),)), {0: LARGE}, 0.0)
    handover.look(0.0)
    handover.announced(given=-1)
    handover.look(None)
    assert (list(handover.near), handover.keeps(0)) == ([], False)


def test_what_a_child_got_from_memory_is_not_stored_for_it_later():
    children = [child(5, [0], 1), child(6, [8], 1)]
    whole = spec(children, (0, 1), (0, 1), near=(Near(5, 9.0), Near(6, 9.0)))
    handover = Handover(whole, {0: LARGE, 1: LARGE}, 0.0)
    handover.look(0.0)
    handover.announced(given=5)
    handover.look(None)
    assert (handover.keeps(0), handover.keeps(1)) == (True, False)


def test_stored_outputs_are_remembered_up_to_a_limit():
    half = REMEMBERED_BYTES // 2 + 1
    values = {0: "first", 1: "second", 2: "small"}
    handover = Handover(spec([child(5, [0, 1], 2)], (0, 1), (0, 1)), {0: half, 1: half}, 0.0)
    handover.remember([0, 1, 2], values)
    assert handover.remembered == {0: "first"}
