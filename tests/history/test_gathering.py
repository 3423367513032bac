"""What containers tell, gathered into observations, and learned from."""

from __future__ import annotations

import operator

import numpy as np
import pytest

from dask_serverless.history.archive import MemoryArchive
from dask_serverless.history.gathering import Gathering
from dask_serverless.history.history import History
from dask_serverless.history.identity import chain_identity, identity
from dask_serverless.history.observations import (
    DOWNLOAD,
    UPLOAD,
    Calls,
    Observations,
    Overhead,
    Packing,
    Sample,
    Start,
    Transfer,
)
from dask_serverless.worker.told import Finished, Measured, Moved, Packed, Taken, Used
from dask_serverless.worker.told import Sample as Row

ROW = Row(100, 0.5, 200, 300)


def finished(measured: Measured | None, cold: bool = False) -> Finished:
    return Finished(0, "container", 0.0, 0.0, 0.0, 0.0, 1, 0, 0, 0, cold, {}, [], measured)


def test_events_become_one_runs_observations() -> None:
    gathering = Gathering((512, 2048))
    taken = Taken(3, 1.5, [ROW])
    moved = [Moved("r", True, 10, 0.1), Moved("f", False, 20, 0.2)]
    gathering.bundle(finished(Measured([((0,), taken), ((0, 1), taken)], moved, 0.7, -1.0), True))
    gathering.bundle(finished(None)._replace(used=Used(0.1, 1, 600)))
    gathering.bundle(finished(Measured([((0,), taken)], [], -1.0, 0.001)))
    gathering.bundle(finished(None))
    row = Sample(512, 100, 0.5, 200, 300)
    add, mul = identity(operator.add), identity(operator.mul)
    assert gathering.of([operator.add, operator.mul])() == Observations(
        {add: Calls(6, 3.0, [row, row]), chain_identity([add, mul]): Calls(3, 1.5, [row])},
        [Transfer("redis", UPLOAD, 10, 0.1), Transfer("shared", DOWNLOAD, 20, 0.2)],
        [Start(True, 0.7, 512)],
        [0.001],
        [],
    )


def test_what_a_bundle_takes_beside_its_tasks_is_known_where_all_of_them_were_measured() -> None:
    gathering = Gathering()
    taken, moved = Taken(3, 1.5, [ROW]), [Moved("f", False, 20, 0.25)]
    told = Measured([((0,), taken)], moved, -1.0, -1.0)
    for bundle in (0, 1):
        event = finished(told)._replace(bundle=bundle, fetching=0.5, running=1.75, storing=0.5)
        gathering.bundle(event)
    observations = gathering.of([operator.add], tasks=[3, 50])()
    assert observations.overheads == [Overhead(3, 1.0)]


def test_starts_of_containers_that_were_asked_for_ahead_teach_nothing_of_starts() -> None:
    """That was long before anybody waited for them; else plans would soon ask for none ahead."""
    gathering = Gathering(ahead=2)
    for cold, waited in ((True, 0.75), (False, 0.001), (True, 0.0), (True, 0.0), (True, 0.5)):
        gathering.bundle(finished(Measured([], [], waited, -1.0), cold))
    starts = gathering.of([])().starts
    assert starts == [Start(True, 0.75), Start(False, 0.001), Start(True, 0.5)]


def test_an_event_survives_its_way_and_is_learned_from() -> None:
    measured = Measured([((0,), Taken(9, 4.5, [ROW] * 9))], [], -1.0, -1.0)
    gathering = Gathering()
    gathering.bundle(Finished.unpack(finished(measured).pack()))
    history = History(MemoryArchive(), save_seconds=1000)
    history.record(gathering.of([np.sum]))
    line = history.predictions().seconds("numpy.sum", 0, 90)
    assert (line.at(100), line.samples) == (pytest.approx(0.5), 9)
    assert history.describe()[0].calls == 9


def test_what_cannot_be_worked_out_is_no_runs_problem() -> None:
    gathering = Gathering()
    gathering.bundle(finished(Measured([((7,), Taken(1, 1.0, []))], [], -1.0, -1.0)))
    history = History(MemoryArchive(), save_seconds=1000)
    history.record(gathering.of([np.sum]))  # there is no function 7
    history.record(Observations({"f": Calls(1, 1.0)}))
    assert [row.name for row in history.describe()] == ["f"]
    assert history.dropped == 1


def test_each_sample_has_the_memory_of_its_container_where_there_are_several_sizes() -> None:
    """All of them had counted as the default one: tasks on a quarter of a core seemed to need a whole one."""
    told = Measured([((0,), Taken(1, 0.5, [ROW]))], [], 0.7, -1.0)
    for sizes, expected in (((512, 2048), [512, 2048, 0]), ((), [0, 0, 0])):
        gathering = Gathering(sizes)
        for name, memory_mb in (("small", 512), ("large", 2048)):
            used = Used(0.1, 1, memory_mb)
            gathering.bundle(finished(told)._replace(container=name, used=used))
        gathering.bundle(finished(told)._replace(container="none told"))
        observations = gathering.of([operator.add])()
        samples = observations.functions[identity(operator.add)].samples
        assert [sample.memory_mb for sample in samples] == expected
        assert [start.memory_mb for start in observations.starts] == expected


def test_what_pickling_took_is_told_of_functions_and_is_no_overhead_of_bundles() -> None:
    gathering = Gathering()
    packed = [Packed(5, True, 1000, 0.25), Packed(3, False, 500, 0.5)]
    measured = Measured([((0,), Taken(1, 1.0, [ROW]))], [], -1.0, -1.0, packed, 0.75)
    gathering.bundle(finished(measured)._replace(fetching=0.5, running=1.0, storing=0.5))
    kinds = {5: (0,), 3: (0, 1)}
    observations = gathering.of(
        [operator.add, operator.mul], tasks=[1], kind_of=kinds.__getitem__
    )()
    add, mul = identity(operator.add), identity(operator.mul)
    assert observations.packings == (
        Packing(add, UPLOAD, 1000, 0.25),
        Packing(chain_identity([add, mul]), DOWNLOAD, 500, 0.5),
    )
    assert observations.overheads == [Overhead(1, 0.25)]
