"""What a container tells whoever watches: every bundle once, in batches, and never a pickle."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest

from dask_serverless.blobs.base import Stored
from dask_serverless.worker.blame import Blame
from dask_serverless.worker.failure import pack_failure
from dask_serverless.worker.outputs import Outputs
from dask_serverless.worker.rhythm import NEVER, Rhythm, rhythm_of
from dask_serverless.worker.told import Finished
from dask_serverless.worker.usage import ProcessMemory, Usage
from dask_serverless.worker.witness import FAILED, FINISHED, MOST_QUEUED, UNDER_WAY, Batch, Witness


def finish(witness: Witness, bundle: int) -> bytes:
    witness.begin(bundle, 100.0, 5.0)
    witness.task([(bundle, 0, (), None)], 5.25, 5.5, {})
    outputs = Outputs()
    outputs.add(bundle, Stored(b"i", [], 10), wanted=False)
    return witness.finished(told(bundle), outputs)


def told(bundle: int) -> Finished:
    return Finished(
        bundle, "c1", 100.0, fetching=0.125, running=0.5, storing=0.0, calls=1, stored_bytes=10,
        kept_bytes=0, wanted_bytes=0, cold=False, outputs=None, times=[], measured=None,
    )  # fmt: skip


def test_a_bundle_rides_along_with_its_publish() -> None:
    witness = Witness(Rhythm(1, NEVER), lambda batch: pytest.fail("sent by itself"))
    witness.came("c1", True, 98.0, 99.0, Usage(ProcessMemory()))
    batch = Batch.unpack(finish(witness, 7))
    assert (batch.container, batch.number, batch.cold, batch.arrived) == ("c1", 0, True, 99.0)
    (sighting,) = batch.sightings
    assert (sighting.bundle, sighting.state, sighting.stored_bytes) == (7, FINISHED, 10)
    assert np.frombuffer(sighting.tasks, np.int32).tolist() == [7]
    assert np.frombuffer(sighting.begins, np.float32).tolist() == [0.25]
    assert np.frombuffer(sighting.ends, np.float32).tolist() == [0.5]
    assert np.frombuffer(sighting.sizes, np.int64).tolist() == [10]


def test_processor_time_is_that_of_its_run_also_where_the_container_comes_back() -> None:
    """A warm container's second run was told of with the time of the first one, too."""
    clock = [100.0]
    usage = Usage(ProcessMemory(), clock=lambda: clock[0])
    witness = Witness(Rhythm(1, NEVER), lambda batch: None)
    seconds = []
    for _ in range(2):
        usage.begin()
        witness.came("c1", False, 98.0, 99.0, usage)
        clock[0] += 0.5
        seconds.append(Batch.unpack(finish(witness, 7)).cpu_seconds)
        clock[0] += 0.25  # before it leaves
        witness.left()
        clock[0] += 60.0  # for others
    assert seconds == [0.5, 1.25]


def test_many_bundles_go_together_and_the_rest_when_the_container_leaves() -> None:
    left: list[bytes] = []
    witness = Witness(Rhythm(3, NEVER), left.append)
    sent = [finish(witness, bundle) for bundle in range(5)]
    assert [bool(batch) for batch in sent] == [False, False, True, False, False]
    witness.left()
    rest = Batch.unpack(left[0])
    assert rest.number == 3
    assert [s.bundle for s in rest.sightings] == [3, 4]
    witness.left()
    assert len(left) == 1


def test_tasks_of_a_long_bundle_are_told_while_it_runs_and_once() -> None:
    sent: list[bytes] = []
    witness = Witness(Rhythm(1, 0.0), sent.append)
    witness.begin(7, 100.0, witness.due_at)
    witness.task([(1, 0, (), None)], witness.due_at, witness.due_at + 1, {})
    (first,) = Batch.unpack(sent[0]).sightings
    assert first.state == UNDER_WAY
    assert np.frombuffer(first.tasks, np.int32).tolist() == [1]
    (last,) = Batch.unpack(witness.finished(told(7), Outputs())).sightings
    assert last.tasks == b""


def test_what_is_dropped_leaves_a_gap_in_the_numbers() -> None:
    left: list[bytes] = []
    witness = Witness(rhythm_of("end"), left.append)
    for bundle in range(MOST_QUEUED + 5):
        finish(witness, bundle)
    witness.left()
    batch = Batch.unpack(left[0])
    assert batch.number == 5
    assert len(batch.sightings) == MOST_QUEUED


class Exotic(Exception):
    def __reduce__(self) -> object:
        return print, ("a pickle was loaded",)


def test_a_failure_is_told_in_words_without_any_pickle() -> None:
    try:
        raise Exotic("no <b>such</b> thing")
    except Exotic as error:
        failure = pack_failure(error, Blame("running", 3, 0), container="c1", bundle=7)
    sent: list[bytes] = []
    witness = Witness(rhythm_of("publish"), sent.append)
    witness.begin(7, 100.0, 5.0)
    witness.failed(failure)
    (sighting,) = Batch.unpack(sent[0]).sightings
    what, blame, chain = sighting.failure
    assert (sighting.state, what, blame["task"]) == (FAILED, "raised", 3)
    assert chain[0][:1] == ["Exotic"] and chain[0][2] == "no <b>such</b> thing"
    assert any("test_witness" in frame[0] for frame in chain[0][3])
    assert b"\x80\x05" not in sent[0]


def test_when_a_task_began_that_raised_is_told_with_its_failure() -> None:
    failure = pack_failure(ValueError("no"), Blame("running", 3, 0), container="c1", bundle=7)
    sent: list[bytes] = []
    witness = Witness(rhythm_of("end"), sent.append)
    now = perf_counter()
    witness.begin(7, 100.0, now - 4.0)
    watch = witness.watch([(2, 0, (), None), (3, 0, (2,), None)])
    assert watch is not None
    watch([(2, 0, (), None)], now, now + 1.0, {})
    witness.failed(failure)
    witness.begin(8, 105.0, now)  # what fails before its tasks begin has no such time
    witness.failed(failure)
    first, second = [Batch.unpack(each).sightings[0] for each in sent]
    assert np.frombuffer(first.tasks, np.int32).tolist() == [2, 3]
    assert np.frombuffer(first.begins, np.float32).tolist() == pytest.approx([4.0, 5.0])
    assert np.frombuffer(first.ends, np.float32).tolist() == pytest.approx([5.0])
    assert second.tasks == second.begins == second.ends == b""


@pytest.mark.parametrize("value", [0, -1, True, None, "now", "3", "0 s", "inf s", 1.5])
def test_a_rhythm_that_means_nothing_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="200 ms"):
        rhythm_of(value)


def test_a_time_is_a_rhythm() -> None:
    assert rhythm_of("200 ms") == Rhythm(NEVER, 0.2)
