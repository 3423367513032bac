"""A bundle on the wire: what the store reads of it in front, what only its container reads behind."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgpack

# A step is (out, function, arguments, keywords): call functions[function] with the values named by
# ``arguments`` (the last len(keywords) of them by keyword) and name the result ``out``. Names are
# numbers: a task's own result is its id, everything else (constants, what lies between the steps
# of one task) counts down from -1.
Step = tuple[int, int, tuple[int, ...], tuple[str, ...] | None]

# Containers to be warm, in how many seconds, and of what memory in MiB (0: all have the same).
Start = tuple[int, float, int]

PICKLED = b"\x80"  # how every pickle starts, and no reference
NO_CHILDREN = bytes(msgpack.packb([]))
# A larger spec is kept where large blobs are: its small constants may add up to more than one value
# of the store holds.
SPEC_BYTES = 256 << 10
FRONT = struct.Struct("<iI")  # slot, number of inputs; then the inputs' tasks, 4 bytes each


@dataclass(frozen=True)
class Child:
    """A bundle that takes outputs of this one: where its edges are in the store's bit string."""

    bundle: int
    slot: int
    first_byte: int
    edges: int  # all it waits for, from whichever bundle
    bits: Sequence[int]  # those that this bundle contributes


class Near(NamedTuple):
    """A child for which outputs stay in the container's memory, as it may run there next."""

    child: int
    wait_seconds: float  # how long, while there is other work; 0: if it is ready at once


class Limit(NamedTuple):
    """From when on a bundle has left the plan: others may have what of it has not begun."""

    seconds: float  # that it may run, by the plan's own doubts
    others_seconds: float  # until another container is there: less work is not worth handing over


@dataclass(frozen=True)
class BundleSpec:
    """All that a container needs to run one bundle, but for its inputs' values."""

    slot: int
    inputs: tuple[int, ...]
    program: list[Step]
    constants: Mapping[int, Any]
    pickled: Mapping[int, bytes]  # constants to unpickle afresh at each attempt
    hoisted: Mapping[int, bytes]  # constants stored once for many bundles: references
    stored: tuple[int, ...]  # outputs that others need
    wanted: tuple[int, ...]  # those of them that the client asked for
    children: bytes
    releases: bytes
    starts: tuple[Start, ...] = ()
    ahead: tuple[int, ...] = ()  # tasks whose outputs a later bundle of this container needs
    given: tuple[int, ...] = ()  # the outputs of the children's bits; empty if there is only one
    near: tuple[Near, ...] | None = None  # as the plan has it; None: the container decides by size
    beside: tuple[int, ...] | None = None  # bundles whose outputs children take, too; where they
    # are told, outputs may be held back for those
    retries: Mapping[int, int] | None = None  # how often each task may be tried again; under -1:
    # all others
    streamed: tuple[int, ...] = ()  # outputs that are stored in parts, since others wait for them
    coming: tuple[int, ...] = ()  # tasks whose outputs come in parts, for a later bundle here
    early: tuple[int, ...] = ()  # outputs that are stored while the bundle still runs
    limit: Limit | None = None  # None: it is carried out as it is, however long that takes
    lasting: tuple[int, ...] = ()  # inputs and outputs that a later bundle of this container takes
    whole: int | None = None  # the bundle of the plan that this is a part of; None: all of it

    @property
    def tasks(self) -> list[int]:
        return [step[0] for step in self.program if step[0] >= 0]

    @property
    def has_children(self) -> bool:
        return self.children != NO_CHILDREN


def encode(spec: BundleSpec) -> bytes:
    rest = (
        spec.program, spec.constants, spec.pickled, spec.hoisted,
        spec.stored, spec.wanted, spec.children, spec.releases, spec.starts, spec.ahead,
        spec.given,
        spec.near if spec.near is None else tuple(map(tuple, spec.near)), spec.beside,
        spec.retries, spec.streamed, spec.coming, spec.early,
        spec.limit if spec.limit is None else tuple(spec.limit), spec.lasting,
        spec.whole,
    )  # fmt: skip
    return front(spec.slot, spec.inputs) + pickle.dumps(rest, protocol=5)


def front(slot: int, inputs: Sequence[int]) -> bytes:
    """What the store reads of a spec."""
    return FRONT.pack(slot, len(inputs)) + struct.pack(f"<{len(inputs)}I", *inputs)


def apart(packed: bytes) -> tuple[bytes, bytes]:
    """What the store reads of a packed spec, and the rest: where it is, will do in its place."""
    _, count = FRONT.unpack_from(packed)
    end = FRONT.size + 4 * count
    return packed[:end], packed[end:]


def decode(data: bytes, fetch: Callable[[bytes], Any]) -> BundleSpec:
    """``fetch`` is asked for what is kept apart, by its reference."""
    slot, count = FRONT.unpack_from(data)
    inputs = struct.unpack_from(f"<{count}I", data, FRONT.size)
    end = FRONT.size + 4 * count
    if data[end : end + 1] == PICKLED:
        rest = pickle.loads(memoryview(data)[end:])
    else:
        rest = fetch(data[end:])
    spec = BundleSpec(slot, inputs, *rest)
    if spec.near:
        spec = replace(spec, near=tuple([Near(*n) for n in spec.near]))
    return spec if spec.limit is None else replace(spec, limit=Limit(*spec.limit))


def pack_children(children: Sequence[Child]) -> bytes:
    rows = [[c.bundle, c.slot, c.first_byte, c.edges, *c.bits] for c in children]
    return bytes(msgpack.packb(rows))


def pack_releases(releases: Sequence[tuple[int, int]]) -> bytes:
    """(task, how many bundles use it) for each input that this bundle is done with."""
    return bytes(msgpack.packb([number for pair in releases for number in pair]))
