"""Predictions: what planners ask; every answer is a line over bytes, and says its samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from planners.errors import BadPrediction, UnknownSla
from planners.graph.arrays import Floats
from planners.numbers.names import key_for, key_of_step, steps_of, unmatched

Sizes = npt.NDArray[np.float64] | npt.NDArray[np.int64]  # bytes
Sla = str | int  # "average", or the percentile (1 to 100) that the answer should hold for

Cores = tuple[tuple[int, float], ...]  # memory in MB, and how many vCPUs a container of it has

VCPU_MB = 1769  # memory that buys one full vCPU on Lambda; less memory buys a share of one


def check_sla(sla: object) -> float | None:
    """The SLA as a fraction of 1, or None for the average."""
    if isinstance(sla, str) and sla == "average":
        return None
    if isinstance(sla, int) and not isinstance(sla, bool) and 1 <= sla <= 100:
        return sla / 100
    raise UnknownSla(sla)


def check_number(of: str, name: str, value: float) -> float:
    if not (np.isfinite(value) and value >= 0):
        raise BadPrediction(of, name, value)
    return float(value)


def cpu_share(memory_mb: float, threads: float = 1.0, cores: Cores = ()) -> float:
    """How many vCPUs a function that can use ``threads`` of them gets with this memory.

    0 is the backend's default, which has the memory of a full one.
    """
    told: dict[float, float] = dict(cores)
    there = told.get(memory_mb) or (memory_mb or VCPU_MB) / VCPU_MB
    return min(there, threads)


class Line(NamedTuple):
    """One answer: ``base + per_byte * bytes``, and the number of samples that it rests on.

    Of more than ``reach`` bytes it says no more than of those: an output of forty times the input is
    the input of the next such task, and ten of them in a row would fill any memory there is.
    """

    base: float
    per_byte: float = 0.0
    samples: int = 0
    reach: float = inf

    def at(self, size: float = 0.0) -> float:
        return self.base + self.per_byte * min(size, self.reach)


@dataclass(frozen=True, eq=False)
class Lines:
    """The answers for many functions at once, by function id."""

    base: Floats
    per_byte: Floats
    samples: npt.NDArray[np.int64]
    reach: Floats

    @staticmethod
    def of(answers: Sequence[Line]) -> Lines:
        base, per_byte, samples, reach = np.array(answers, dtype=np.float64).reshape(-1, 4).T.copy()
        return Lines(base, per_byte, samples.astype(np.int64), reach)

    def at(self, functions: npt.NDArray[np.int32], sizes: Sizes) -> Floats:
        """Functions array, bytes array → answers array."""
        sizes = np.minimum(sizes, self.reach[functions])
        return np.asarray(self.base[functions] + self.per_byte[functions] * sizes)

    def as_measured(self, least: int) -> Lines:
        """Those that were never measured are as the others on average, if so many others were."""
        known = self.samples > 0
        if known.all() or np.count_nonzero(known) < least:
            return self
        reach = np.where(known, self.reach, self.reach[known].max())
        base, per_byte = [
            np.where(known, column, column[known].mean()) for column in (self.base, self.per_byte)
        ]
        return Lines(base, per_byte, self.samples, reach)

    def check(self, of: str, names: Sequence[str]) -> Lines:
        """Itself, if every number can be used; planners trust no implementation of Predictions."""
        for column in (self.base, self.per_byte):
            bad = np.flatnonzero(~(np.isfinite(column) & (column >= 0)))
            if len(bad):
                raise BadPrediction(of, names[bad[0]], float(column[bad[0]]))
        return self


def transfer_seconds(line: Line, sizes: Sizes) -> Floats:
    """Bytes array → seconds array; nothing to move takes no time."""
    return np.where(sizes > 0, line.base + line.per_byte * sizes, 0.0)


class Predictions(ABC):
    """What planners ask. Implement the scalar questions; the array forms follow from them.

    With more memory nothing may take longer.
    """

    def knows(self, functions: Sequence[str]) -> bool:
        """Whether anything was said or measured of any of them; if not, why plan by it?"""
        return True

    def knows_all(self, functions: Sequence[str]) -> bool:
        """Whether nothing has to be guessed."""
        return all(self.knows((function,)) for function in functions)

    def least(self) -> Predictions:
        """The same, if what has to be guessed took nothing: whatever is too much then, is."""
        return self

    @abstractmethod
    def seconds(self, function: str, memory_mb: int, sla: Sla = "average") -> Line:
        """Execution time over the bytes of all inputs."""

    @abstractmethod
    def output_bytes(self, function: str, sla: Sla = "average") -> Line:
        """Output size over the bytes of all inputs."""

    @abstractmethod
    def peak_bytes(self, function: str, sla: Sla = "average") -> Line:
        """Peak memory over the bytes of all inputs."""

    @abstractmethod
    def upload(self, sla: Sla = "average") -> Line:
        """Seconds to store bytes."""

    @abstractmethod
    def download(self, sla: Sla = "average") -> Line:
        """Seconds to fetch bytes."""

    def packing(self, function: str, sla: Sla = "average") -> Line:
        """Seconds to pickle an output of the function, over its bytes; moving it comes on top."""
        return Line(0.0)

    def unpacking(self, function: str, sla: Sla = "average") -> Line:
        """The same where it is needed."""
        return Line(0.0)

    @abstractmethod
    def cold_start(self, memory_mb: int, sla: Sla = "average") -> Line:
        """Seconds from invocation to the first instruction of a new container."""

    @abstractmethod
    def warm_start(self, memory_mb: int, sla: Sla = "average") -> Line:
        """The same for a container that ran before and is idle."""

    def deviation(self, function: str, memory_mb: int) -> float:
        """The standard deviation of execution times, as a share of their average."""
        usual, low, high = (self.seconds(function, memory_mb, sla) for sla in ("average", 16, 84))
        average = usual.base or usual.per_byte
        return (
            (high.base - low.base or high.per_byte - low.per_byte) / 2 / average if average else 0.0
        )

    def seconds_lines(self, functions: Sequence[str], memory_mb: int, sla: Sla) -> Lines:
        return Lines.of([self.seconds(function, memory_mb, sla) for function in functions])

    def packing_lines(self, functions: Sequence[str], sla: Sla) -> Lines:
        return Lines.of([self.packing(function, sla) for function in functions])

    def unpacking_lines(self, functions: Sequence[str], sla: Sla) -> Lines:
        return Lines.of([self.unpacking(function, sla) for function in functions])

    def output_lines(self, functions: Sequence[str], sla: Sla) -> Lines:
        return Lines.of([self.output_bytes(function, sla) for function in functions])

    def peak_lines(self, functions: Sequence[str], sla: Sla) -> Lines:
        return Lines.of([self.peak_bytes(function, sla) for function in functions])


@dataclass(frozen=True)
class Constant(Predictions):
    """The same for every function unless a table says otherwise: for plans by structure, and tests.

    Seconds are those of one full vCPU. ``threads`` is how many vCPUs a function can use, so memory
    beyond ``threads * VCPU_MB`` makes nothing faster. ``cores`` are those of sizes that have others
    than AWS Lambda's.

    Tables know functions by any of their ``names_of``: ``"simulate"``, ``"mine.simulate"``. A task
    that Dask has fused takes what its steps take together, gives what the last one gives, and has
    the peak of the one with most; steps that a table does not know are together one task to it.
    """

    task_seconds: float = 0.01
    task_output_bytes: float = 1e6
    task_peak_bytes: float = 0.0
    seconds_of: Mapping[str, float] = field(default_factory=dict)
    output_bytes_of: Mapping[str, float] = field(default_factory=dict)
    peak_bytes_of: Mapping[str, float] = field(default_factory=dict)
    threads: float = 1.0
    transfer_latency_seconds: float = 0.001
    bytes_per_second: float = 100e6
    cold_start_seconds: float = 0.5
    warm_start_seconds: float = 0.01
    cores: Cores = ()

    def __post_init__(self) -> None:
        for of, value in vars(self).items():
            if of == "cores":
                value = dict(value)
            for name, number in value.items() if isinstance(value, Mapping) else [("all", value)]:
                check_number(of, name, number)
        for of, number in (("threads", self.threads), ("bytes_per_second", self.bytes_per_second)):
            if number == 0:
                raise BadPrediction(of, "all", number, "above zero")

    def unmatched(self, functions: Iterable[str]) -> list[str]:
        """Names in its tables that mean none of these functions, sorted."""
        return unmatched(sorted(self.names), functions) if self.names else []

    @property
    def names(self) -> set[str]:
        """Of functions of which it says more than of others."""
        return {*self.seconds_of, *self.output_bytes_of, *self.peak_bytes_of}

    def seconds(self, function: str, memory_mb: int, sla: Sla = "average") -> Line:
        check_sla(sla)
        told = answers(self.seconds_of, function)
        seconds = sum([each for each in told if each is not None])
        if None in told:
            seconds += self.task_seconds
        return Line(seconds / cpu_share(memory_mb, self.threads, self.cores))

    def output_bytes(self, function: str, sla: Sla = "average") -> Line:
        check_sla(sla)
        last = answers(self.output_bytes_of, function)[-1]
        return Line(self.task_output_bytes if last is None else last)

    def peak_bytes(self, function: str, sla: Sla = "average") -> Line:
        check_sla(sla)
        told = answers(self.peak_bytes_of, function)
        return Line(max([self.task_peak_bytes if each is None else each for each in told]))

    def upload(self, sla: Sla = "average") -> Line:
        check_sla(sla)
        return Line(self.transfer_latency_seconds, 1 / self.bytes_per_second)

    def download(self, sla: Sla = "average") -> Line:
        return self.upload(sla)

    def cold_start(self, memory_mb: int, sla: Sla = "average") -> Line:
        check_sla(sla)
        return Line(self.cold_start_seconds)

    def warm_start(self, memory_mb: int, sla: Sla = "average") -> Line:
        check_sla(sla)
        return Line(self.warm_start_seconds)


def answers(table: Mapping[str, float], function: str) -> list[float | None]:
    """What the table says of a function, or of each step of a fused task; None where it is silent."""
    if not table:
        return [None]
    if (key := key_for(table, function)) is not None:
        return [table[key]]
    keys = [key_of_step(table, step) for step in steps_of(function)]
    return [None if key is None else table[key] for key in keys]


@dataclass(frozen=True)
class Unmeasured(Constant):
    """Constants that stand in while nothing is known; ``auto`` does not plan by them."""

    def knows(self, functions: Sequence[str]) -> bool:
        return False

    def least(self) -> Predictions:
        return replace(self, task_seconds=0.0, task_output_bytes=0.0, task_peak_bytes=0.0)


def left_to_store(
    early: Iterable[tuple[float, float]], rest: float, exec_seconds: float, upload: Line
) -> float:
    """Seconds from the bundle's last task to its last byte; early outputs are (end, bytes)."""
    clock = 0.0
    for end, size in early:
        clock = max(clock, end) + (upload.at(size) if size else 0.0)
    return max(clock - exec_seconds, 0.0) + (upload.at(rest) if rest else 0.0)
