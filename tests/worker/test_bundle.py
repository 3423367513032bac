"""A bundle on the wire."""

from __future__ import annotations

import struct

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from dask_serverless.worker.bundle import (
    BundleSpec,
    Child,
    decode,
    encode,
    pack_children,
    pack_releases,
)

numbers = st.integers(0, 2**32 - 1)
specs = st.builds(
    BundleSpec,
    slot=st.integers(-1, 2**31 - 1),
    inputs=st.lists(numbers, max_size=5).map(tuple),
    program=st.lists(
        st.tuples(st.integers(-9, 9), numbers, st.lists(numbers, max_size=3).map(tuple), st.none()),
        max_size=3,
    ),
    constants=st.dictionaries(st.integers(-9, -1), st.text(max_size=5), max_size=3),
    pickled=st.dictionaries(st.integers(-9, -1), st.binary(max_size=5), max_size=3),
    hoisted=st.dictionaries(st.integers(-9, -1), st.binary(max_size=5), max_size=3),
    stored=st.lists(numbers, max_size=3).map(tuple),
    wanted=st.lists(numbers, max_size=3).map(tuple),
    children=st.binary(max_size=8),
    releases=st.binary(max_size=8),
)


@given(specs)
def test_a_spec_comes_back_as_it_was(spec):
    assert decode(encode(spec), {}.__getitem__) == spec


@given(specs)
def test_the_store_reads_slot_and_inputs_in_front(spec):
    data = encode(spec)
    slot, count = struct.unpack_from("<iI", data)
    assert (slot, struct.unpack_from(f"<{count}I", data, 8)) == (spec.slot, spec.inputs)


def test_children_and_releases_are_flat_lists():
    packed = pack_children([Child(5, -1, 3, 9, [24, 31]), Child(6, 2, 5, 1, [40])])
    assert msgpack.unpackb(packed) == [[5, -1, 3, 9, 24, 31], [6, 2, 5, 1, 40]]
    assert msgpack.unpackb(pack_releases([(1, 2), (3, 4)])) == [1, 2, 3, 4]
