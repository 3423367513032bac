"""A value as frames of bytes: pickle protocol 5 with its large buffers out of band."""

from __future__ import annotations

import pickle
import struct
from typing import Any

import numpy as np

from dask_serverless.blobs.pickling import dumps

Frames = list[bytes | memoryview]

ALIGNMENT = 64  # bytes; what vector instructions like, and what NumPy allocates by
HEAD = struct.Struct("<II")  # number of buffers, length of the pickle; then one length a buffer
# Values of exactly these types can't hold anything that only cloudpickle can pickle.
PLAIN = {int, float, complex, bool, str, bytes, type(None), np.float64, np.int64, np.bool_}
SEED = "numpy.random.bit_generator", "SeedSequence"  # likewise: random arrays have one a block


def framed(value: Any) -> Frames:
    """The value as frames: a header with the pickle first, then each buffer, padded to alignment."""
    buffers: list[pickle.PickleBuffer] = []
    kind = type(value)
    if kind in PLAIN or (kind is np.ndarray and not value.dtype.hasobject) or is_seed(kind):
        data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    else:
        data = dumps(value, buffers)
    return join(data, [buffer.raw() for buffer in buffers])


def is_seed(kind: type) -> bool:
    """Without an import of numpy.random, which takes long."""
    return (kind.__module__, kind.__qualname__) == SEED


def join(data: bytes, buffers: list[memoryview]) -> Frames:
    lengths = [buffer.nbytes for buffer in buffers]
    head = HEAD.pack(len(buffers), len(data)) + struct.pack(f"<{len(lengths)}Q", *lengths) + data
    if not buffers:
        return [head]
    frames: Frames = [head, bytes(-len(head) % ALIGNMENT)]
    for buffer in buffers:
        frames += [buffer, bytes(-buffer.nbytes % ALIGNMENT)]
    return frames


def size(frames: Frames) -> int:
    return sum(memoryview(frame).nbytes for frame in frames)


class Damaged(ValueError):
    """Bytes that are not a whole value: cut off, or overwritten."""


def unframed(data: bytes | bytearray | memoryview | Any) -> Any:
    """The value back. Its buffers are views into ``data``, so ``data`` should be writable."""
    view = memoryview(data)
    try:
        count, length = HEAD.unpack_from(view)
        lengths = struct.unpack_from(f"<{count}Q", view, HEAD.size)
    except struct.error:
        raise Damaged("has lost its end") from None
    start = HEAD.size + 8 * count
    pickled = view[start : start + length]
    if len(pickled) < length or not length:
        raise Damaged("has lost its end")
    if not count:
        return pickle.loads(pickled)
    if view.readonly:  # tasks may write into their inputs
        view = memoryview(bytearray(view))
        pickled = view[start : start + length]
    position = start + length
    buffers = []
    for nbytes in lengths:
        position += -position % ALIGNMENT
        buffers.append(view[position : position + nbytes])
        position += nbytes
    if position > view.nbytes:
        raise Damaged("has lost its end")
    return pickle.loads(pickled, buffers=buffers)
