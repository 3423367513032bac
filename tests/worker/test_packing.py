"""What pickling takes is told task by task, where it matters."""

from __future__ import annotations

import time

import numpy as np
import pytest

from dask_serverless.blobs.frames import framed, unframed
from dask_serverless.worker.packing import MOST_TIMED, MOST_TOLD, Packing


class Slow:
    """Takes a while in either direction."""

    def __reduce__(self):
        time.sleep(0.002)
        return made_slowly, ()


def made_slowly() -> Slow:
    time.sleep(0.004)
    return Slow()


def blob(value) -> bytes:
    return b"".join(framed(value))


def unpacked(packing: Packing, tasks, blobs) -> list:
    return [unpack(one) for one, unpack in zip(blobs, packing.unpacks(tasks), strict=False)]


def packed(packing: Packing, tasks, values) -> list[bytes]:
    return [b"".join(pack(one)) for one, pack in zip(values, packing.packs(tasks), strict=False)]


def test_inputs_and_outputs_are_told_with_their_tasks_and_bytes():
    packing, slow, constant = Packing(), blob(Slow()), blob(7)
    values = unpacked(packing, [11], [slow, constant])
    assert isinstance(values[0], Slow) and values[1] == 7
    array = np.arange(1000)
    assert np.array_equal(unframed(packed(packing, [12, 13], [Slow(), array])[1]), array)
    told, seconds = packing.to_tell(0.5)
    assert [(one.task, one.up) for one in told] == [(12, True), (13, True), (11, False)]
    assert told[2].nbytes == len(slow) and told[1].nbytes >= array.nbytes
    assert told[2].seconds >= 0.004 and told[0].seconds >= 0.002 > told[1].seconds
    assert seconds == pytest.approx(sum(one.seconds for one in told))
    assert packing.slow == {11: told[2].nbytes, 12: told[0].nbytes}


def test_what_makes_no_difference_is_not_told():
    packing = Packing()
    unpacked(packing, [0], [blob(7)])
    assert packing.to_tell(whole=10.0) == packing.to_tell(whole=0.0) == ([], 0.0)


def test_of_many_some_are_timed_and_tell_what_all_took():
    packing = Packing(lasting=[499])
    values = [blob("text")] * 499 + [blob(Slow())]
    assert unpacked(packing, range(500), values)[:2] == ["text", "text"]
    told, seconds = packing.to_tell(0.0)
    assert len({one.task for one in told}) == MOST_TOLD
    timed = sum(one.seconds for one in packing.told)
    assert len(packing.told) == MOST_TIMED and seconds == pytest.approx(timed * 500 / MOST_TIMED)
    assert set(packing.slow) == {499}
