"""Packing: what pickling a bundle's outputs and unpickling its inputs took, at a bounded cost.

Some values are bytes already; others take many times as long to be taken apart and put together as
they take to move.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from itertools import chain
from time import perf_counter
from typing import Any, TypeVar

from dask_serverless.blobs.blobs import UNPACKS, Pack, Unpack
from dask_serverless.blobs.frames import Frames, framed, size, unframed
from dask_serverless.worker.told import Packed

LEAST_SECONDS = 0.0001  # every bundle costs more than that, and
SHARE = 0.01  # less of what a bundle took makes no difference to anybody either,
WORTH_SECONDS = 0.001  # unless it is so much
SLOW_SECONDS = 0.0005  # of unpickling one input
MOST_TIMED = 16  # in each direction: a look at the clock takes as long as a small value
MOST_TOLD = 4  # of these: runs have many bundles, and what is told has to be sent and learned

T = TypeVar("T")

_chance = random.Random()  # tasks may have seeded the one that all share


class Packing:
    """Of one bundle: ``framed`` and ``unframed``, for some values with a look at the clock."""

    def __init__(self, lasting: Collection[int] = ()) -> None:
        self.lasting = frozenset(lasting)  # tasks whose values are timed in any case
        self.slow: dict[int, int] = {}  # what would take long to unpickle once more, with its bytes
        self.outputs, self.inputs = 0, 0
        self.told: list[Packed] = []  # of some by chance: the slowest would stand for the others

    def packs(self, tasks: Sequence[int]) -> Iterable[Pack]:
        """For these outputs, in order."""
        self.outputs += len(tasks)
        return self.each(tasks, framed, self.pack)

    def unpacks(self, tasks: Sequence[int]) -> Iterable[Unpack]:
        """For these inputs, in order, and for others after them."""
        self.inputs += len(tasks)
        return chain(self.each(tasks, unframed, self.unpack), UNPACKS)

    def each(
        self, tasks: Sequence[int], plain: Callable[[Any], Any], timed: Callable[..., Any]
    ) -> list[Callable[[Any], Any]]:
        """What to call for each value."""
        calls = [plain] * len(tasks)
        if self.lasting:
            for place, task in enumerate(tasks):
                if task in self.lasting:
                    calls[place] = partial(timed, task, False)
        for place in some(range(len(tasks)), MOST_TIMED):
            calls[place] = partial(timed, tasks[place], True)
        return calls

    def pack(self, task: int, by_chance: bool, value: Any) -> Frames:
        begun = perf_counter()
        frames = framed(value)
        self.took(Packed(task, True, size(frames), perf_counter() - begun), by_chance)
        return frames

    def unpack(self, task: int, by_chance: bool, data: Any) -> Any:
        begun = perf_counter()
        value = unframed(data)
        nbytes = memoryview(data).nbytes
        self.took(Packed(task, False, nbytes, perf_counter() - begun), by_chance)
        return value

    def took(self, packed: Packed, by_chance: bool) -> None:
        if packed.seconds >= SLOW_SECONDS:
            self.slow[packed.task] = packed.nbytes
        if by_chance:
            self.told.append(packed)

    def to_tell(self, whole: float) -> tuple[list[Packed], float]:
        """Some of it, and the seconds of all; nothing, where that is little beside ``whole``."""
        up = [one for one in self.told if one.up]
        down = [one for one in self.told if not one.up]
        seconds = of_all(up, self.outputs) + of_all(down, self.inputs)
        if seconds < max(LEAST_SECONDS, min(SHARE * whole, WORTH_SECONDS)):
            return [], 0.0
        return [*some(up, MOST_TOLD), *some(down, MOST_TOLD)], seconds


def some(values: Sequence[T], most: int) -> Sequence[T]:
    """By chance, where there are more."""
    return values if len(values) <= most else _chance.sample(values, most)


def of_all(packed: Sequence[Packed], count: int) -> float:
    """Seconds, as far as some of them tell."""
    return sum([one.seconds for one in packed]) * count / len(packed) if packed else 0.0
