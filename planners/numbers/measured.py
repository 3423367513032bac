"""Measured: predictions from the sketches of earlier runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np

from planners.errors import MissingPrediction
from planners.graph.arrays import Floats
from planners.numbers.predictions import (
    VCPU_MB,
    Cores,
    Line,
    Lines,
    Predictions,
    Sla,
    Unmeasured,
    check_sla,
    cpu_share,
)
from planners.numbers.sketch import Sketch

MIDDLE = 0.5
SURE = 4.0  # standard errors by which a slope differs from none, to be believed
TINY = 1e-300
ROUNDING = 1e-6  # of sizes that are all the same
BEYOND = 10.0  # times the largest input that was measured, for which outputs are still foreseen
A_SAMPLE = 32  # functions of a graph, by which others are judged that no run has measured yet: of
# very many, chance takes some each time
FAR = 2.0  # the same of what pickling takes: pickles and outputs are not of the very same size
ENOUGH_SAMPLES = 8  # at one memory size, to be believed without looking at other sizes


Share = Callable[[float], float]  # memory in MB → vCPUs that a function gets


@dataclass(frozen=True, eq=False)
class Measured(Predictions):
    """Answers from samples; asks ``fallback`` about what was never measured."""

    functions: Mapping[str, Sketch]
    uploads: Sketch = field(default_factory=Sketch)  # rows whose input_bytes took seconds to store
    downloads: Sketch = field(default_factory=Sketch)
    cold_starts: Sketch = field(default_factory=Sketch)  # rows whose memory_mb took so long
    warm_starts: Sketch = field(default_factory=Sketch)
    fallback: Predictions | None = None
    threads: float = 1.0  # vCPUs that a function can use, where sizes have to be scaled
    cores: Cores = ()  # that containers have, where it is not by their memory as on AWS Lambda
    packings: Mapping[str, Sketch] = field(default_factory=dict)  # rows whose input_bytes took
    unpackings: Mapping[str, Sketch] = field(default_factory=dict)  # seconds to pickle

    def knows(self, functions: Sequence[str]) -> bool:
        if any(self.functions.get(function) for function in functions):
            return True
        return self.fallback is not None and self.fallback.knows(functions)

    def least(self) -> Predictions:
        return self if self.fallback is None else replace(self, fallback=self.fallback.least())

    def seconds(self, function: str, memory_mb: int, sla: Sla = "average") -> Line:
        quantile = check_sla(sla)
        ladder = self._ladder(function, quantile)
        if ladder is None:
            return self._other("execution time", function).seconds(function, memory_mb, sla)
        return ladder.at(memory_mb)

    def seconds_lines(self, functions: Sequence[str], memory_mb: int, sla: Sla) -> Lines:
        return self._guessed(super().seconds_lines(functions, memory_mb, sla))

    def output_lines(self, functions: Sequence[str], sla: Sla) -> Lines:
        return self._guessed(super().output_lines(functions, sla))

    def peak_lines(self, functions: Sequence[str], sla: Sla) -> Lines:
        return self._guessed(super().peak_lines(functions, sla))

    def _guessed(self, lines: Lines) -> Lines:
        """What nobody told or measured."""
        return lines.as_measured(A_SAMPLE) if isinstance(self.fallback, Unmeasured) else lines

    def deviation(self, function: str, memory_mb: int) -> float:
        sketch = self.functions.get(function)
        if not sketch:
            return self._other("execution time", function).deviation(function, memory_mb)
        line = self.seconds(function, memory_mb)
        sizes, weights = sketch.column("input_bytes"), sketch.weights
        expected, took = line.base + line.per_byte * sizes, sketch.column("seconds")
        if not expected.all():
            return 0.0
        ratios = took / expected
        ratios /= np.average(ratios, weights=weights)  # they may be of another size of containers
        return float(np.sqrt(np.average((ratios - 1) ** 2, weights=weights)))

    def output_bytes(self, function: str, sla: Sla = "average") -> Line:
        line = self._line(function, "output_bytes", check_sla(sla))
        if line is None:
            return self._other("output size", function).output_bytes(function, sla)
        largest = float(self.functions[function].column("input_bytes").max())
        return line._replace(reach=BEYOND * largest)

    def peak_bytes(self, function: str, sla: Sla = "average") -> Line:
        line = self._line(function, "peak_bytes", check_sla(sla))
        return line or self._other("peak memory", function).peak_bytes(function, sla)

    def upload(self, sla: Sla = "average") -> Line:
        quantile = check_sla(sla)
        if not self.uploads:
            return self._other("upload time", "the store").upload(sla)
        return _fitted(self.uploads, "seconds", quantile or MIDDLE)

    def download(self, sla: Sla = "average") -> Line:
        quantile = check_sla(sla)
        if not self.downloads:
            return self._other("download time", "the store").download(sla)
        return _fitted(self.downloads, "seconds", quantile or MIDDLE)

    def packing(self, function: str, sla: Sla = "average") -> Line:
        return self._packing("packing", function, sla, self.packings, self.unpackings)

    def unpacking(self, function: str, sla: Sla = "average") -> Line:
        return self._packing("unpacking", function, sla, self.unpackings, self.packings)

    def _packing(self, what: str, function: str, sla: Sla, *told: Mapping[str, Sketch]) -> Line:
        """The one takes about as long as the other; nobody has told of what takes no time."""
        quantile = check_sla(sla)
        sketch = next((s for sketches in told if (s := sketches.get(function))), None)
        if sketch is None:
            return Line(0.0)
        key = (function, what, quantile)
        if key not in self._lines:
            largest = float(sketch.column("input_bytes").max())
            line = _fitted(sketch, "seconds", quantile or MIDDLE)
            self._lines[key] = line._replace(reach=FAR * largest)
        return self._lines[key] or Line(0.0)

    def cold_start(self, memory_mb: int, sla: Sla = "average") -> Line:
        quantile = check_sla(sla)
        if not self.cold_starts:
            return self._other("cold start", "the backend").cold_start(memory_mb, sla)
        return _start(self.cold_starts, memory_mb, quantile)

    def warm_start(self, memory_mb: int, sla: Sla = "average") -> Line:
        quantile = check_sla(sla)
        if not self.warm_starts:
            return self._other("warm start", "the backend").warm_start(memory_mb, sla)
        return _start(self.warm_starts, memory_mb, quantile)

    def _other(self, of: str, name: str) -> Predictions:
        if self.fallback is None:
            raise MissingPrediction(of, name)
        return self.fallback

    def _line(self, function: str, column: str, quantile: float | None) -> Line | None:
        """Over the input bytes; fitted once, since every plan asks again."""
        key = (function, column, quantile)
        if key not in self._lines:
            sketch = self.functions.get(function)
            self._lines[key] = _fitted(sketch, column, quantile) if sketch else None
        return self._lines[key]

    def _ladder(self, function: str, quantile: float | None) -> Ladder | None:
        key = (function, quantile)
        if key not in self._ladders:
            sketch = self.functions.get(function)
            share = partial(cpu_share, threads=self.threads, cores=self.cores)
            self._ladders[key] = Ladder.of(sketch, quantile, share) if sketch else None
        return self._ladders[key]

    @cached_property
    def _lines(self) -> dict[tuple[str, str, float | None], Line | None]:
        return {}

    @cached_property
    def _ladders(self) -> dict[tuple[str, float | None], Ladder | None]:
        return {}


@dataclass(frozen=True)
class Ladder:
    """Execution time at the memory sizes that were measured well; never rises with memory."""

    rungs: tuple[tuple[int, Line], ...]
    share: Share

    @staticmethod
    def of(sketch: Sketch, quantile: float | None, share: Share) -> Ladder:
        sizes, of, counts = np.unique(_memory(sketch), return_inverse=True, return_counts=True)
        believed = sizes[counts >= ENOUGH_SAMPLES]
        if not len(believed):  # scale everything to the size with most samples
            believed = sizes[[np.argmax(counts)]]
        near = believed[np.argmin(np.abs(np.log(sizes[:, None] / believed)), axis=1)]
        shares = [share(size) / share(other) for size, other in zip(sizes, near, strict=True)]
        nearest, scale = near[of], np.array(shares)[of]
        rungs: list[tuple[int, Line]] = []
        for size in believed:
            mine = nearest == size
            line = fit(
                sketch.column("input_bytes")[mine],
                sketch.column("seconds")[mine] * scale[mine],
                quantile,
                sketch.weights[mine],
            )
            rungs.append((int(size), _lower(rungs[-1][1], line) if rungs else line))
        return Ladder(tuple(rungs), share)

    def at(self, memory_mb: int) -> Line:
        """Scaled from the rung below, but not past what was measured at the rung above."""
        memory_mb = memory_mb or VCPU_MB  # the backend's default
        below = [rung for rung in self.rungs if rung[0] <= memory_mb]
        above = [rung for rung in self.rungs if rung[0] > memory_mb]
        if not below:
            return self._scaled(*above[0], memory_mb)
        line = self._scaled(*below[-1], memory_mb)
        return _upper(line, above[0][1]) if above else line

    def _scaled(self, size: int, line: Line, memory_mb: int) -> Line:
        ratio = self.share(size) / self.share(memory_mb)
        return Line(line.base * ratio, line.per_byte * ratio, line.samples)


def _fitted(sketch: Sketch, column: str, quantile: float | None) -> Line:
    return fit(sketch.column("input_bytes"), sketch.column(column), quantile, sketch.weights)


def fit(sizes: Floats, values: Floats, quantile: float | None, weights: Floats) -> Line:
    """A least-squares line that never falls, raised so that the asked share of samples is below."""
    weights = weights / weights.sum()
    base, per_byte = _least_squares(sizes, values, weights)
    fitted = base + per_byte * sizes
    if quantile is None:
        all_of_it = float(weights @ fitted)
        raised = float(weights @ values) / all_of_it if all_of_it > 0 else 1.0
    else:
        usable = fitted > 0
        ratios = values[usable] / fitted[usable]
        raised = _quantile(ratios, quantile, weights[usable]) if usable.any() else 1.0
    return Line(float(base * raised), float(per_byte * raised), len(values))


def _quantile(values: Floats, quantile: float, weights: Floats) -> float:
    """Between the values, as np.quantile has it where all weigh the same."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order]
    places = below / below[-1] if below[-1] > 0 else below
    return float(np.interp(quantile, places, values[order]))


def _least_squares(sizes: Floats, values: Floats, weights: Floats) -> tuple[float, float]:
    """Flat where chance alone may have made the slope: a few numbers of 24 bytes or 28, of which the
    larger ones happened to take longer, would make a task without inputs take no time at all.
    """
    size, value = float(weights @ sizes), float(weights @ values)
    spread = sizes - size
    variance = float(weights @ (spread * spread))
    if variance <= (ROUNDING * size) ** 2:
        return value, 0.0
    slope = float(weights @ (spread * values)) / variance
    left = values - value - slope * spread
    by_chance = float(weights @ (left * left)) / max((len(values) - 2) * variance, TINY)
    if slope <= 0 or slope * slope < SURE**2 * by_chance:
        return value, 0.0
    base = value - slope * size
    if base < 0:
        return 0.0, float(weights @ (sizes * values)) / float(weights @ (sizes * sizes))
    return base, slope


def _memory(sketch: Sketch) -> Floats:
    """The samples' memory sizes; where none was named, the container had all that helps."""
    memory = sketch.column("memory_mb")
    return np.maximum(np.where(memory > 0, memory, VCPU_MB), 1)


def _start(sketch: Sketch, memory_mb: int, quantile: float | None) -> Line:
    """From the containers of the nearest size: start-up hardly depends on memory.

    Of starts and transfers the middle stands for the average: there are few of them on the longest
    path, and one that waited for a busy neighbour would count for twenty.
    """
    memory = _memory(sketch)
    sizes, counts = np.unique(memory, return_counts=True)
    believed = sizes[counts >= ENOUGH_SAMPLES]
    if len(believed):
        nearest = believed[np.argmin(np.abs(np.log(believed / memory_mb)))]
        near = memory == nearest
    else:
        near = np.ones(len(memory), dtype=np.bool_)
    seconds = sketch.column("seconds")[near]
    return fit(np.zeros(len(seconds)), seconds, quantile or MIDDLE, sketch.weights[near])


def _lower(one: Line, other: Line) -> Line:
    return Line(min(one.base, other.base), min(one.per_byte, other.per_byte), other.samples)


def _upper(one: Line, other: Line) -> Line:
    return Line(max(one.base, other.base), max(one.per_byte, other.per_byte), one.samples)
