"""Sketch: a sample of all measurements, and the last ones, within a fixed budget of bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from planners.errors import BadPrediction, PredictionError

BUDGET_BYTES = 4096  # of one function's sketch, however many samples it has seen
COLUMNS = ("memory_mb", "input_bytes", "seconds", "output_bytes", "peak_bytes")
ROW = np.dtype([("priority", "<u8"), ("time", "<f8"), *((name, "<f4") for name in COLUMNS)])
HEADER = struct.Struct("<4sQI")  # magic and version, samples seen, rows kept
MAGIC = b"dsk2"
CAPACITY = (BUDGET_BYTES - HEADER.size) // ROW.itemsize
OF_ALL = CAPACITY // 2  # rows that are a sample of all times; the others are the last ones
HALF_LIFE = 4  # runs after which a row weighs half as much

Rows = npt.NDArray[np.void]
Hashes = npt.NDArray[np.uint64]


class Sketch:
    """Keeps the rows whose hash is smallest, and of the others the latest.

    The first half is a uniform sample, whatever the order of arrival, so that one large run does
    not push out how runs differ; the second half has what functions take today. Which rows these
    are depends on all samples and not on their order: merging the sketches of two containers gives
    the very sketch that one container would have made, and merging a sketch with itself keeps it.
    """

    def __init__(self, rows: Rows | None = None, seen: int = 0) -> None:
        self.rows: Rows = np.zeros(0, ROW) if rows is None else rows
        self.seen = seen

    def __len__(self) -> int:
        return len(self.rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sketch):
            return NotImplemented
        return self.seen == other.seen and np.array_equal(self.rows, other.rows)

    def column(self, name: str) -> npt.NDArray[np.float64]:
        return np.asarray(self.rows[name], dtype=np.float64)

    @cached_property
    def weights(self) -> npt.NDArray[np.float64]:
        """Of each row, all together 1: the last run weighs most, by as much per run as per row.

        By runs and not by the clock: a function that got slower is learnt within some runs, whether
        these are seconds or days apart. Rows of one time are those of one run.
        """
        if not len(self.rows):
            return np.zeros(0)
        _, runs, counts = np.unique(-self.rows["time"], return_inverse=True, return_counts=True)
        weights = 0.5 ** (runs / HALF_LIFE) / counts[runs]
        return np.asarray(weights / weights.sum())

    def in_order(self) -> Rows:
        """The rows, oldest first."""
        return self.rows[np.argsort(self.rows["time"], kind="stable")]

    def add(
        self,
        samples: Iterable[tuple[float, float, float, float, float]],
        source: int,
        time: float = 0.0,
    ) -> Sketch:
        """With more samples, each (memory_mb, input_bytes, seconds, output_bytes, peak_bytes).

        ``source`` says whose samples these are (a hash of run and container, say): two sources may
        measure the very same numbers and both count, while the same sample sent twice does not.
        ``time`` is when that was, in seconds.
        """
        table = np.array(list(samples), dtype=np.float32).reshape(-1, len(COLUMNS))
        _check(table)
        rows = np.zeros(len(table), ROW)
        for position, name in enumerate(COLUMNS):
            rows[name] = table[:, position]
        rows["priority"], rows["time"] = _priorities(table, source), time
        return Sketch(_kept(np.concatenate((self.rows, rows))), self.seen + len(rows))

    def merge(self, other: Sketch) -> Sketch:
        return Sketch(_kept(np.concatenate((self.rows, other.rows))), self.seen + other.seen)

    def to_bytes(self) -> bytes:
        return HEADER.pack(MAGIC, self.seen, len(self.rows)) + self.rows.tobytes()

    @staticmethod
    def from_bytes(data: bytes) -> Sketch:
        if len(data) < HEADER.size or data[:4] != MAGIC:
            raise PredictionError("not a sketch of this version: delete it, it is measured anew")
        _, seen, count = HEADER.unpack_from(data)
        if count > CAPACITY or len(data) != HEADER.size + count * ROW.itemsize:
            raise PredictionError("a truncated sketch: delete it, it is measured anew")
        rows: Rows = np.frombuffer(data, ROW, count, HEADER.size)
        _check(np.stack([rows[name] for name in COLUMNS], axis=1))
        return Sketch(_kept(rows), seen)


def _check(table: npt.NDArray[np.float32]) -> None:
    bad = np.argwhere(~(np.isfinite(table) & (table >= 0)))
    if len(bad):
        row, column = bad[0]
        raise BadPrediction(COLUMNS[column], f"sample {row}", float(table[row, column]))


def _kept(rows: Rows) -> Rows:
    _, first = np.unique(rows["priority"], return_index=True)
    rows = rows[first]
    if len(rows) <= CAPACITY:
        return rows
    latest = np.argsort(-rows["time"][OF_ALL:], kind="stable")[: CAPACITY - OF_ALL]
    return np.concatenate((rows[:OF_ALL], rows[OF_ALL:][np.sort(latest)]))


def _priorities(table: npt.NDArray[np.float32], source: int) -> Hashes:
    """A hash of each sample, its position and its source."""
    positions: Hashes = np.arange(len(table), dtype=np.uint64)
    bits: Hashes = (table + np.float32(0)).view(np.uint32).astype(np.uint64)  # -0 becomes 0
    mixed: Hashes = positions + _mix(np.array([source % 2**64], dtype=np.uint64))
    for position in range(len(COLUMNS)):
        mixed = _mix(mixed ^ bits[:, position])
    return mixed


def _mix(values: Hashes) -> Hashes:
    """splitmix64's finaliser: neighbouring numbers come out unrelated."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
