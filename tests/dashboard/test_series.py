"""From what containers told to the state of every task, now and at any moment before."""

from __future__ import annotations

from struct import pack

import numpy as np
from sightings import SUBMITTED, batch, lost, sighting, structure

from dask_serverless.coordination.watched import Loss
from dask_serverless.dashboard.groups import groups_of
from dask_serverless.dashboard.moments import counted, states_at
from dask_serverless.dashboard.numbers import numbers
from dask_serverless.dashboard.seen import NEVER, NOBODY
from dask_serverless.dashboard.series import Series
from dask_serverless.dashboard.states import State
from dask_serverless.worker.witness import FAILED, UNDER_WAY

# 0 ─┐
#    ├─ 2 ─ 3       bundles: {0} {1} {2, 3}
# 1 ─┘
DIAMOND = structure([[], [], [0, 1], [2]], [0, 1, 2, 2], wanted=[3])
OVER = {"at": SUBMITTED + 3, "losses": [], "phases": {}, "error": ""}


def names(series: Series, at: float = np.inf) -> list[str]:
    return [State(state).name for state in states_at(series, at)]


def test_what_waits_for_nothing_is_ready_at_once() -> None:
    assert names(Series(DIAMOND)) == ["READY", "READY", "WAITING", "WAITING"]


def test_a_bundle_on_a_container_runs_before_the_container_says_so() -> None:
    series = Series(DIAMOND)
    series.heed_working({1: "c1"}, 0.25)
    assert names(series) == ["READY", "RUNNING", "WAITING", "WAITING"]
    assert names(series, 0.1) == ["READY", "READY", "WAITING", "WAITING"]


def test_every_moment_can_be_seen_again() -> None:
    series = Series(DIAMOND)
    first, second = sighting(0, 1.0, sizes={0: 8}), sighting(1, 2.0, sizes={1: 8})
    series.heed(batch("c1", first, second, sighting(2, 4.0)))
    assert names(series, 0.5) == ["READY", "READY", "WAITING", "WAITING"]
    assert names(series, 1.5) == ["RUNNING", "READY", "WAITING", "WAITING"]
    assert names(series, 2.5) == ["DONE", "RUNNING", "WAITING", "WAITING"]
    assert names(series, 3.5) == ["DONE", "DONE", "READY", "READY"]
    assert names(series, 4.5) == ["DONE", "DONE", "RUNNING", "RUNNING"]
    assert names(series, 5.0) == ["RELEASED", "RELEASED", "RELEASED", "DONE"]
    assert names(series) == names(series, 5.0)


def test_tasks_of_a_bundle_under_way_are_done_one_by_one() -> None:
    series = Series(DIAMOND)
    series.heed(batch("c1", sighting(0, 0.0, sizes={0: 8}), sighting(1, 0.0, sizes={1: 8})))
    series.heed(batch("c1", sighting(2, 1.0, state=UNDER_WAY, tasks={2: (0.0, 0.5)}), number=2))
    assert names(series) == ["DONE", "DONE", "DONE", "RUNNING"]


def test_a_task_that_raises_has_failed_and_the_rest_never_runs() -> None:
    words = ["raised", {"task": 2}, [["ValueError", "builtins", "no", []]]]
    series = Series(DIAMOND)
    series.heed(batch("c1", sighting(0, 0.0, sizes={0: 8}), sighting(1, 0.0, sizes={1: 8})))
    series.heed(batch("c1", sighting(2, 1.0, state=FAILED, failure=words), number=2))
    assert names(series) == ["DONE", "DONE", "FAILED", "RUNNING"]
    series.heed_end({"at": SUBMITTED + 3, "losses": [], "phases": {}})
    assert names(series) == ["DONE", "DONE", "FAILED", "READY"]
    assert series.failures[0].task == 2


def test_a_task_that_raises_began_where_its_container_says() -> None:
    words = ["raised", {"task": 2}, [["ValueError", "builtins", "no", []]]]
    failed = sighting(2, 1.0, state=FAILED, fetching=2.0, failure=words)
    series = Series(DIAMOND)
    series.heed(batch("c1", failed._replace(tasks=pack("i", 2), begins=pack("f", 0.5))))
    assert series.task_begun[2] == 1.5 and series.task_ended[2] == NEVER
    unknown = Series(DIAMOND)
    unknown.heed(batch("c1", failed))
    assert unknown.task_begun[2] == NEVER


def test_a_bundle_whose_container_was_lost_is_retried_until_it_is_done() -> None:
    series = Series(DIAMOND)
    series.heed_working({0: "c1"}, 0.0)
    series.heed_losses([lost("c1", 0, 0.5)])
    assert names(series) == ["RETRIED", "READY", "WAITING", "WAITING"]
    series.heed(batch("c2", sighting(0, 1.0, sizes={0: 8})))
    assert names(series)[0] == "DONE"
    assert names(series, 0.75)[0] == "RETRIED"
    assert series.attempts(0) == 2 and series.containers["c1"].gone == "killed"


def test_of_a_run_that_is_over_losses_are_told_last_and_a_bundle_is_where_it_ran_in_the_end() -> (
    None
):
    series = Series(DIAMOND)
    series.heed(batch("c1", sighting(0, 0.25, state=UNDER_WAY, tasks={0: (0.0, 0.25)})))
    series.heed(batch("c2", sighting(0, 1.0, fetching=0.5, tasks={0: (0.5, 1.5)})))
    series.heed_end(OVER | {"losses": [lost("c1", 0, 0.5)]})
    assert list(series.containers)[series.container[0]] == "c2"
    assert (series.claimed[0], series.fetched[0], series.finished[0]) == (1.0, 1.5, 2.5)
    assert names(series, 0.75)[0] == "RETRIED"


def test_tasks_that_took_one_container_after_the_other_with_them_have_failed() -> None:
    series = Series(DIAMOND)
    story = [Loss("c1", "killed", 1_000_500), Loss("c2", "no sign of life", 1_002_000)]
    over = OVER | {"error": "BundleLost: …", "losses": [(0, 2, story)], "lost_after": 2}
    series.heed_end(over | {"containers": {"c1": {}, "c2": {}}})
    assert names(series)[0] == "FAILED" and names(series, 1.0)[0] == "RETRIED"
    assert [(each.container, each.at) for each in series.losses] == [(0, 0.5), (1, 2.0)]
    assert [each.gone for each in series.containers.values()] == ["killed", "no sign of life"]


def test_a_container_that_was_lost_works_no_more_and_the_next_one_does_before_it_says_so() -> None:
    """The time of a dead container's bundle grew until another one told of it."""
    series = Series(DIAMOND)
    series.heed_working({0: "c1"}, 0.25)
    series.heed_losses([lost("c1", 0, 0.5)])
    assert series.claimed[0] == NEVER and series.container[0] == NOBODY
    series.heed_working({0: "c2"}, 1.0)
    series.heed_losses([lost("c1", 0, 0.5)])
    assert (series.claimed[0], list(series.containers)[series.container[0]]) == (1.0, "c2")


def test_each_loss_is_heeded_once_however_often_it_is_told() -> None:
    series = Series(DIAMOND)
    for _ in range(2):
        series.heed_losses([lost("c1", 0, 0.5)])
    bundle, _, (first,) = lost("c1", 0, 0.5)
    series.heed_losses([(bundle, 2, [first, Loss("", "never came", 1_000_750)])])
    assert [(each.container, each.why) for each in series.losses] == [
        (0, "killed"),
        (NOBODY, "never came"),
    ]


def test_once_a_run_is_over_all_times_count_from_when_the_store_had_it_as_its_makespan_does() -> (
    None
):
    """The last bundle ended after the makespan, by what it took to submit the run."""
    series = Series(DIAMOND)
    series.heed(batch("c1", sighting(0, 1.0, fetching=0.5, tasks={0: (0.5, 1.5)}), arrived=0.5))
    over = OVER | {
        "submitted": 1000.25,
        "makespan_seconds": 2.25,
        "losses": [lost("c2", 1, 0.75, 0.5)],
    }
    series.heed_end(over)
    assert (series.claimed[0], series.fetched[0], series.finished[0]) == (0.75, 1.25, 2.25)
    assert (series.task_begun[0], series.task_ended[0]) == (1.25, 2.25)
    assert (series.losses[0].since, series.losses[0].at) == (0.25, 0.5)
    container = series.containers["c1"]
    assert (container.asked, container.arrived, container.last) == (-0.25, 0.25, 2.25)
    assert series.latest == 2.25 and series.over_at == OVER["at"] - 1000.25


def test_a_store_with_another_clock_has_no_say_in_that() -> None:
    series = Series(DIAMOND)
    series.heed(batch("c1", sighting(0, 1.0)))
    series.heed_end(OVER | {"submitted": 4000.0})
    assert series.claimed[0] == 1.0


def test_sightings_that_did_not_arrive_are_counted() -> None:
    series = Series(DIAMOND)
    series.heed(batch("c1", sighting(0, 0.0), number=3))
    series.heed(batch("c1", sighting(1, 0.0), number=4))
    assert series.dropped == 3


def test_a_run_that_went_well_is_done_whoever_did_not_tell_of_it() -> None:
    """A container was killed, and with it what it wanted to tell at its end."""
    series = Series(DIAMOND)
    series.heed(batch("c1", sighting(0, 0.0, sizes={0: 8})))
    series.heed_end(OVER)
    assert names(series, 2.9) == ["DONE", "READY", "WAITING", "WAITING"]
    assert names(series) == ["DONE"] * 4
    told = numbers(series)
    assert (told.done_tasks, told.done_bundles, told.untold) == (4, 3, 2)
    series.heed(batch("c2", sighting(1, 1.0), sighting(2, 2.0)))  # it only took longer
    assert numbers(series).untold == 0


def test_of_a_run_that_failed_only_what_was_told_is_done() -> None:
    series = Series(DIAMOND)
    series.heed(batch("c1", sighting(0, 0.0, sizes={0: 8})))
    series.heed_end({**OVER, "error": "ValueError"})
    told = numbers(series)
    assert (told.done_tasks, told.done_bundles, told.untold) == (1, 1, 0)


def test_what_a_run_that_failed_took_no_notice_of_is_not_done() -> None:
    """A container finishes its bundle while a task of another one fails, and tells of it first."""
    series = Series(DIAMOND)
    series.heed(batch("c1", sighting(0, 0.0, sizes={0: 8})))
    series.heed(batch("c2", sighting(1, 0.0, sizes={1: 8})))
    client = {"error": "ValueError", "containers": {"c1": {}, "c3": {}}, "cost": 0.0}
    series.heed_end({**OVER, **client, "done": np.packbits([True, False, False]).tobytes()})
    assert numbers(series).done_bundles == 1
    assert names(series) == ["DONE", "READY", "WAITING", "WAITING"]
    assert list(series.containers) == ["c1", "c2", "c3"]  # which had its first bundle just then
    series.heed(batch("c3", sighting(2, 0.5)))  # too late, too
    assert numbers(series).done_bundles == 1


def test_what_a_run_that_failed_knows_to_be_done_is_not_told_of_yet() -> None:
    series = Series(DIAMOND)
    done = np.packbits([True, True, False]).tobytes()
    series.heed_end({**OVER, "error": "ValueError", "done": done})
    told = numbers(series)
    assert (told.done_tasks, told.done_bundles, told.untold) == (2, 2, 2)
    series.heed(batch("c1", sighting(0, 0.0), sighting(1, 0.0)))
    told = numbers(series)
    assert (told.done_tasks, told.done_bundles, told.untold) == (2, 2, 0)


def test_of_a_client_that_was_interrupted_containers_count_as_they_told() -> None:
    series = Series(DIAMOND)
    series.heed(batch("c1", sighting(0, 0.0, sizes={0: 8}), cold=True))
    client = {"containers": {}, "cold_starts": 0, "warm_starts": 0, "bytes_moved": 0, "cost": 0.0}
    series.heed_end({**OVER, **client, "error": "KeyboardInterrupt"})
    told = numbers(series)
    assert (told.containers, told.cold_starts, told.bytes_moved) == (1, 1, 8)
    assert told.cost > 0


def test_what_makes_no_sense_is_passed_over() -> None:
    series = Series(DIAMOND)
    series.heed(batch("c1", sighting(99, 0.0), sighting(0, 0.0, tasks={77: (0.0, 1.0)})))
    series.heed(batch("c1", sighting(1, 0.0, sizes={77: 8, 1: 8})))
    series.heed_working({-5: "c1", 99: "c2"}, 0.0)
    series.heed_losses([lost("c1", 99, 0.0)])
    assert names(series)[1] == "DONE"


def test_an_output_that_was_not_stored_is_in_its_containers_memory() -> None:
    series = Series(DIAMOND)
    series.heed(batch("c1", sighting(0, 0.0), sighting(1, 0.0, sizes={1: 8})))
    assert names(series) == ["KEPT", "DONE", "READY", "READY"]
    series.heed(batch("c1", sighting(2, 1.0), number=2))
    assert names(series) == ["RELEASED", "RELEASED", "RELEASED", "DONE"]


def test_a_bundle_told_of_twice_counts_once() -> None:
    series = Series(DIAMOND)
    series.heed(batch("c1", sighting(0, 0.0, sizes={0: 100})))
    series.heed(batch("c2", sighting(0, 1.0, sizes={0: 100})))
    assert series.told_bytes == 100
    assert [c.bundles for c in series.containers.values()] == [1, 0]


def test_states_are_counted_by_group() -> None:
    labels = [["x-1234abcd", 0], ["x-1234abcd", 1], ["sum-1234abcd", 0], "total"]
    shape = structure([[], [], [0, 1], [2]], [0, 1, 2, 2], labels=labels)
    groups, series = groups_of(shape), Series(shape)
    assert list(groups.names) == ["x", "sum", "total"]
    assert groups.levels.tolist() == [0, 1, 2]
    assert groups.counts.tolist() == [2, 1]
    counts = counted(groups.of, states_at(series), groups.count)
    assert counts[:, State.READY].tolist() == [2, 0, 0]
    assert counts.sum() == 4


def test_a_bundle_that_was_divided_is_done_with_the_last_of_its_parts() -> None:
    """Whichever of them is told of last."""
    series = Series(structure([[], [], [0]], [0, 0, 1]))
    series.heed_working({0: "c1"}, 0.0)
    series.heed(batch("c2", sighting(0, 2.0, part=(1,), running=3.0, tasks={1: (0.0, 1.0)})))
    assert names(series) == ["RUNNING", "DONE", "WAITING"]
    series.heed(batch("c1", sighting(0, 0.0, part=(0,), tasks={0: (0.0, 1.0)})))
    assert (series.claimed[0], series.finished[0]) == (0.0, 5.0)
    assert [list(series.containers)[on] for on in (series.container[0], *series.task_on[:2])] == [
        "c1",
        "c1",
        "c2",
    ]


def test_a_task_that_runs_once_more_elsewhere_keeps_its_own_times() -> None:
    series = Series(structure([[], [0]], [0, 1]))
    series.heed(batch("c1", sighting(0, 0.0, tasks={0: (0.0, 0.5)})))
    series.heed(batch("c2", sighting(1, 3.0, tasks={0: (0.0, 0.25), 1: (0.25, 0.5), 99: (0, 0)})))
    assert series.task_begun.tolist() == [0.0, 3.25]
    (copy,) = series.copies
    assert (copy.task, copy.bundle, copy.begun, copy.ended) == (0, 1, 3.0, 3.25)


def test_a_container_counts_from_its_first_bundle_on() -> None:
    series = Series(DIAMOND)
    under_way = sighting(0, 0.0, state=UNDER_WAY, running=2.0, tasks={0: (0.0, 1.0)})
    series.heed(batch("c1", under_way, cold=True))
    told = numbers(series)
    assert (told.containers, told.cold_starts, told.done_bundles) == (1, 1, 0) and told.cost > 0
    series.heed_end(OVER)  # and nothing came of it
    assert numbers(series).containers == 0
