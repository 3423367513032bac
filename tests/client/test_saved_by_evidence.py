"""What copies of tasks and containers asked for ahead have saved, by what containers told."""

from __future__ import annotations

import numpy as np
import pytest

from dask_serverless.client.evidence import Evidence, Transfers
from dask_serverless.client.report import RunReport
from dask_serverless.coordination.base import Event, What
from dask_serverless.worker.told import Finished, Measured, Moved, Sample, Taken
from planners.cost.model import CostModel
from planners.cost.outlook import Outlook
from planners.cost.platform import Platform
from planners.graph.dag import Dag
from planners.numbers.predictions import Constant
from planners.plans.annotations import DuplicateTask, StartContainers
from planners.plans.plan import Plan, Resources
from planners.registry import planner_named

MB = 10**6
COLD = 1.0  # second, by the plan
KIND = (7,)  # the function of task 0


def report_of(dag, slots, *notes):
    """Of a run with a bundle a task."""
    ids = np.arange(dag.tasks, dtype=np.int32)
    plan = Plan("by-hand", ids, np.array(slots, dtype=np.int32), np.zeros_like(ids), notes)
    numbers = Constant(
        task_seconds=0.1,
        task_output_bytes=1 * MB,
        transfer_latency_seconds=0.0,
        bytes_per_second=100 * MB,
        cold_start_seconds=COLD,
    )
    outlook = Outlook(plan, dag, CostModel(numbers, Platform()), Resources(4), planner_named)
    kinds = {note.task: KIND for note in notes if isinstance(note, DuplicateTask)}
    return RunReport(
        "run",
        plan=plan,
        foreseen=lambda: outlook,
        evidence=Evidence(kinds),
        transfers=Transfers(),
        bytes_kept=0,
    )


def tell(report, bundle, container, waited=-1.0, cold=False, kinds=(), moved=(), trip=-1.0):
    measured = Measured(kinds, moved, waited, trip)
    told = Finished(
        bundle, container, 0.0, 0.0, 0.0, 0.0, 1, 0, 0, 0, cold, None, (), measured
    )  # fmt: skip
    report.bundle(told, Event(What.FINISHED, b"", float(bundle), 1.0))


def fan_out(*waits, containers=3):
    """A task in a new container, and others in new ones that were waited for for so long."""
    count = len(waits)
    dag = Dag.from_edges(count + 1, [0] * count, range(1, count + 1))
    report = report_of(dag, range(count + 1), StartContainers(0.9, 0, 1, containers, 0.0))
    tell(report, 0, "first", waited=2.0, cold=True)
    for number, waited in enumerate(waits, 1):
        tell(report, number, f"c{number}", waited, cold=True)
    return report.optimizations["prewarm"].saved_seconds


def test_containers_that_were_there_save_a_start_as_it_is_in_this_run():
    assert fan_out(0.0, 0.0, 0.0) == pytest.approx(2.0)


def test_those_still_on_their_way_save_what_is_left():
    assert fan_out(0.5, 0.5, 0.5) == pytest.approx(1.5)


def test_those_that_came_no_sooner_than_others_save_nothing():
    assert fan_out(2.1, 2.0, 2.3) == 0.0


def test_those_that_were_not_needed_save_nothing():
    assert fan_out() == 0.0
    assert fan_out(0.0) == pytest.approx(2.0 / 3)


def test_without_any_other_new_container_a_start_is_what_the_plan_takes_it_for():
    dag = Dag.from_edges(1, [], [])
    report = report_of(dag, [0], StartContainers(0.9, -1, 1, 1, 0.0))
    tell(report, 0, "c", 0.25, cold=True)
    assert report.optimizations["prewarm"].saved_seconds == pytest.approx(COLD - 0.25)


def copied(*told, users=1, copies=1):
    """Task 0 in one container; those that need its output in others, with copies of it."""
    dag = Dag.from_edges(users + 1, [0] * users, range(1, users + 1))
    notes = [DuplicateTask(0.5, bundle, 0) for bundle in range(1, copies + 1)]
    report = report_of(dag, range(users + 1), *notes)
    for bundle in range(users + 1):
        tell(report, bundle, f"c{bundle}", kinds=told if bundle else (), trip=0.125)
    return report


def taken(seconds, output_bytes):
    return KIND, Taken(2, 2 * seconds, [Sample(0, seconds, output_bytes, 0)])


def test_a_copy_saves_storing_and_fetching_less_what_it_takes():
    report = copied(taken(0.25, 100 * MB))
    assert report.optimizations["task_dup"].saved_seconds == pytest.approx(1.0 + 1.0 - 0.25)


def test_by_rates_of_the_run_where_it_has_moved_anything():
    report = copied(taken(0.25, 100 * MB))
    tell(report, 1, "c1", moved=[Moved("r", False, 50 * MB, 0.125 + 2.0)])
    report.course.packed = report.course.packed[:-48]  # told twice, for the sake of this
    assert report.optimizations["task_dup"].saved_seconds == pytest.approx(1.0 + 4.125 - 0.25)


def test_what_is_stored_for_others_in_any_case_is_not_saved():
    report = copied(taken(0.25, 100 * MB), users=2)
    assert report.optimizations["task_dup"].saved_seconds == pytest.approx(1.0 - 0.25)


def test_what_several_copies_make_needless_is_stored_once():
    report = copied(taken(0.25, 100 * MB), users=2, copies=2)
    assert report.optimizations["task_dup"].saved_seconds == pytest.approx(1.0 + 2 * (1.0 - 0.25))


def test_where_no_copy_was_measured_the_plan_knows():
    saved = copied().optimizations["task_dup"].saved_seconds
    assert saved == pytest.approx(0.01 + 0.01 - 0.1)  # a loss, and it says so


def test_what_rests_on_numbers_that_nobody_has_measured_says_so():
    asked = copied(taken(0.25, 100 * MB)).optimizations["task_dup"]
    assert asked.assumed == "transfers"
    assert str(asked).endswith("by what came with assumed transfers: none was measured")
    report = report_of(Dag.from_edges(1, [], []), [0], StartContainers(0.9, -1, 1, 1, 0.0))
    tell(report, 0, "c", 0.25, cold=True)
    assert report.optimizations["prewarm"].assumed == "starts"


def test_what_was_measured_in_both_directions_is_not_assumed():
    report = copied(taken(0.25, 100 * MB))
    moved = [Moved("r", up, 50 * MB, 2.125) for up in (False, True)]
    tell(report, 1, "c1", moved=moved)
    report.course.packed = report.course.packed[:-48]  # told twice, for the sake of this
    asked = report.optimizations["task_dup"]
    assert asked.assumed == "" and str(asked).endswith("by what came")
