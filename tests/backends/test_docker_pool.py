"""Which container works on what: decided without any container."""

from __future__ import annotations

from dask_serverless.backends.docker.pool import Call, End, Pool, Start, State, Yield
from dask_serverless.worker.invitation import Invitation


def invitation(run="run", **told):
    return Invitation(run, "epoch", "store", **told)


def kinds(orders):
    return [type(order) for order in orders]


def pool(resting=0, most=2, sizes_mb=(0,)):
    made = Pool("pool", most, sizes_mb)
    for _ in range(resting):
        made.rested(made.bear(0.0), 0.0)
    return made


def test_an_invitation_starts_a_container_where_none_rests():
    made = pool()
    made.waiting.add(invitation())
    (start,) = made.place(1.0)
    assert isinstance(start, Start)
    assert made.place(2.0) == [], "the one that starts is for it"
    made.rested(start.cell, 3.0)
    assert kinds(made.place(3.0)) == [Call]


def test_no_more_containers_than_the_cap():
    made = pool(most=2)
    for _ in range(5):
        made.waiting.add(invitation())
    assert kinds(made.place(1.0)) == [Start, Start]


def test_a_busy_container_is_never_called():
    made = pool(resting=1, most=1)
    made.waiting.add(invitation())
    (call,) = made.place(1.0)
    made.waiting.add(invitation())
    assert made.place(2.0) == []
    made.rested(call.cell, 3.0)
    assert kinds(made.place(3.0)) == [Call]


def test_the_container_that_is_meant_is_called_if_it_rests():
    made = pool(resting=2)
    meant = list(made.cells.values())[1]
    meant.process = "meant"
    made.waiting.add(invitation(container="meant"))
    (call,) = made.place(1.0)
    assert call.cell is meant


def test_who_was_invited_by_another_first_rests_if_that_is_over_meanwhile():
    made = pool(resting=1, most=1)
    made.waiting.add(invitation())
    (call,) = made.place(1.0)
    made.rested(call.cell, 2.0)  # from the other's invitation, while ours was on its way
    call.cell.state = State.WORKING
    made.refused(call, 3.0)
    assert kinds(made.place(3.0)) == [Call]


def test_a_run_takes_turns_with_another_that_waits_and_is_told_once():
    made = pool(resting=1, most=1)
    made.waiting.add(invitation("long"))
    (call,) = made.place(1.0)
    made.waiting.add(invitation("short"))
    assert made.place(2.0) == [Yield(call.cell)]
    assert made.place(3.0) == []
    made.rested(call.cell, 4.0)
    (call,) = made.place(4.0)
    assert call.invitation.run == "short"


def test_who_needs_more_memory_gets_a_larger_container_and_a_small_one_makes_room():
    made = pool(resting=1, most=1, sizes_mb=(512, 2048))
    made.waiting.add(invitation(memory_mb=512))
    (call,) = made.place(1.0)
    made.rested(call.cell, 2.0)
    made.waiting.add(invitation(memory_mb=2048))
    end, start = made.place(2.0)
    assert end == End(call.cell)
    assert (type(start), start.cell.size) == (Start, 1)
    made.waiting.add(invitation("other"))
    made.rested(start.cell, 3.0)
    assert kinds(made.place(3.0))[0] is Call


def test_the_smallest_container_that_will_do_is_called_even_if_a_larger_one_is_meant_for_more():
    made = pool(most=3, sizes_mb=(512, 1024, 2048))
    for size in (2, 0, 1):
        made.rested(made.bear(0.0, size), 0.0)
    for memory_mb in (1024, 0, 512):
        made.waiting.add(invitation(memory_mb=memory_mb))
    assert [call.cell.size for call in made.place(1.0)] == [1, 0, 2]


def test_who_waits_for_a_large_container_waits_beside_many_for_small_ones():
    made = pool(most=2, sizes_mb=(512, 2048))
    for memory_mb in (512, 512, 512, 2048):
        made.waiting.add(invitation(memory_mb=memory_mb))
    assert sorted(start.cell.size for start in made.place(1.0)) == [0, 1]


def test_idle_containers_end_but_for_those_that_stay_warm():
    made = pool(resting=3, most=3)
    assert len(made.idle_since(1.0, spare=0)) == 3
    assert len(made.idle_since(1.0, spare=2)) == 1
    assert made.idle_since(0.0, spare=0) == []


def test_to_be_warm_counts_those_that_have_no_work():
    made = pool(resting=1, most=3)
    assert kinds(made.warm(invitation(), 2, 1.0)) == [Start]
    assert made.warm(invitation(), 2, 2.0) == []


def test_what_is_to_be_warm_is_of_the_size_that_was_asked_for():
    made = pool(resting=1, most=3, sizes_mb=(512, 2048))
    (start,) = made.warm(invitation(memory_mb=2048), 1, 1.0)
    assert start.cell.size == 1
