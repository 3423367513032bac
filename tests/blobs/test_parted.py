"""Blobs in parts: what is here is taken, what is not is fetched, and of no other attempt."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.parted import PART_BYTES, PartedStorage, parted_in
from dask_serverless.blobs.redis import MOST_CHUNKS
from dask_serverless.blobs.signed import Signed
from dask_serverless.blobs.storage import Storage
from dask_serverless.blobs.streamed import streamed
from dask_serverless.errors import BlobLost, NotAuthentic
from dask_serverless.signing.secret import Secret
from planners.cost import coming

VALUE = np.random.default_rng(1).random(3 * PART_BYTES // 8)
SIGN = partial(Signed, signatures=Secret("of client and containers").signatures("run", "epoch"))
WAYS = {
    "plain": (Storage(), None),
    "signed": (Storage(), SIGN),
    "compressed": (Storage(compression="lz4"), None),
    "signed, compressed": (Storage(compression="lz4"), SIGN),
}


class Taken:
    """One container's blobs, and what has come of them by now."""

    def __init__(self, link, way):
        storage, sign = WAYS[way]
        self.link = link
        self.parted = PartedStorage.of(storage).open(link, sign)
        self.place = parted_in(self.parted)
        self.blobs = streamed(storage.open(link, sign), self.parted)

    def stored(self, name, value=VALUE):
        """Its reference, and the keys of its parts."""
        reference, commands, _ = self.parted.put(f"run/{name}", value)
        self.link.call(*commands)
        return reference, [key for _, key, *_ in commands]

    def fetch(self, keys):
        for key in keys:
            assert self.place.shelf.begin(key.encode())
        for key, data in zip(keys, self.place.fetched(keys), strict=True):
            self.place.shelf.end(key.encode(), data, 1.0)


@pytest.fixture(params=WAYS)
def taken(request, link):
    return Taken(link, request.param)


def test_parts_are_not_smaller_than_worth_a_call_nor_many(taken):
    _, few = taken.stored("k1-0")
    _, many = taken.stored("k1-1", np.random.default_rng(2).random(40 * PART_BYTES // 8))
    assert len(few) == len(VALUE) * 8 // PART_BYTES + 1 and len(many) == MOST_CHUNKS
    assert (coming.PART_BYTES, coming.MOST_PARTS) == (PART_BYTES, MOST_CHUNKS)


def test_whoever_knows_of_no_parts_has_the_whole_value(taken):
    reference, _ = taken.stored("k1-0")
    np.testing.assert_array_equal(taken.blobs.get([reference])[0], VALUE)


def test_parts_that_are_here_are_not_fetched_again_and_the_others_are(taken):
    reference, keys = taken.stored("k1-0")
    taken.fetch(keys[:2])
    taken.link.call(*[("DEL", key) for key in keys[:2]])
    found = taken.blobs.get([reference])[0]
    np.testing.assert_array_equal(found, VALUE)
    found[0] = 1.0  # it is the task's own
    assert taken.place.shelf.saved_seconds > 1.9


def test_parts_of_another_attempt_are_never_mixed_in(taken):
    """Two attempts at one bundle store different bytes; only one of them is announced."""
    _, lost = taken.stored("k1-0", VALUE + 1)
    reference, keys = taken.stored("k2-0")
    taken.fetch([*lost, keys[1]])
    np.testing.assert_array_equal(taken.blobs.get([reference])[0], VALUE)


def test_a_part_that_is_nowhere_is_a_blob_that_is_lost(taken):
    reference, keys = taken.stored("k1-0")
    taken.fetch(keys[:1])
    taken.link.call(("DEL", keys[-1]))
    with pytest.raises(BlobLost):
        taken.blobs.get([reference])


def test_a_part_that_was_altered_is_refused_as_the_whole_would_be(link):
    taken = Taken(link, "signed")
    reference, keys = taken.stored("k1-0")
    link.call(("SETRANGE", keys[0], 5000, b"other"))
    taken.fetch(keys[:1])
    with pytest.raises(NotAuthentic):
        taken.blobs.get([reference])


def test_a_lost_claim_leaves_no_part(taken):
    taken.stored("k1-0")
    taken.stored("k1-1", np.random.default_rng(2).random(40 * PART_BYTES // 8))
    taken.parted.forget("run", ["k1"])
    assert taken.link.call(("DBSIZE",)) == [0]


def test_files_and_objects_have_no_parts(link, tmp_path):
    for storage in (Storage(folders=[str(tmp_path)]), Storage(url=f"file://{tmp_path}")):
        blobs = PartedStorage.of(storage).open(link)
        assert isinstance(blobs, Blobs) and parted_in(blobs) is None
