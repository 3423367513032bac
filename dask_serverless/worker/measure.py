"""What the tasks of a run take in this container, measured at a bounded cost."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from time import perf_counter
from typing import Any

from dask_serverless.coordination.parts import stores
from dask_serverless.worker.bundle import Step
from dask_serverless.worker.told import Kind, Measured, Moved, Packed, Sample, Taken

ROWS_A_KIND = 8  # samples in one event
ALLOWANCE_SECONDS = 0.00005  # for measuring, of each run that it knows
SHARE = 0.01  # of the time that tasks run, beside that
MOST_SIZED = 64  # of a bundle's inputs and constants: small ones may be thousands
FEW_STEPS = 4  # a bundle that costs more to hand out than to measure,
CHEAP_SECONDS = 0.0005  # unless its values are many or slow to tell their sizes
MOST_NEW = 32  # kinds of tasks of a run that are measured once, whatever that takes
MANY = 64  # kinds: where there are more, each run measures up to so many that chance takes
TAKEN = 48  # of them, if one container has all: those at the end must not come too late
MOST_LOOKED_AT = 256  # steps of a bundle, for such kinds
COLD_SECONDS = 0.0002  # of a first call that took twice as long as the second: its caches were cold
MOST_TRANSFERS = 32  # in one event
FEW_PARTS = 4  # of a list that are looked at for the sake of all

_chance = random.Random()  # tasks may have seeded the one that all share


class Meter:
    """Measures the first task of each kind, and then as many as a hundredth of the time allows.

    Timing and sizing each of a hundred thousand tasks of a microsecond would take longer than they
    do, and all of them may be in one bundle; long tasks are all measured.
    """

    def __init__(self) -> None:
        self.ran = 0.0  # seconds of bundles
        self.seen = 0.0  # of them, of the bundle under way
        self.few = False  # tasks in the bundle under way
        self.kinds = 0  # of tasks that the run has
        self.met: set[Kind] = set()  # of them, measured here
        self.new = MOST_NEW  # that still may be, though there is no time left for it
        self.share = 1.0  # of new ones that are looked at
        self.spent = 0.0  # seconds of measuring
        self.steps = 0  # measured
        self.taken: dict[Kind, Taken] = {}
        self.moved: list[Moved] = []
        self.waited = -1.0
        self.round_trip = -1.0
        self.sizes: dict[int, int] = {}  # of values of the bundle under way, by name

    def expect(self, kinds: int) -> None:
        """The run has tasks of so many."""
        self.kinds = kinds
        if kinds > MANY:
            self.new, self.share = MANY, TAKEN / kinds

    def wants(self, program: Sequence[Step]) -> bool:
        """Whether there is time to measure this bundle, or some of it."""
        self.seen, self.few = 0.0, len(program) <= FEW_STEPS
        return self.may_go_on()

    def looks(self, program: Sequence[Step]) -> list[int]:
        """Where the first task begins of each kind that was not measured yet.

        Of a long bundle only the first tasks would be known, and nothing of a graph could be
        planned by numbers. Of very many kinds chance takes some: the first ones would be the same
        in each run, and the others never known.
        """
        if len(self.met) >= self.kinds or self.new <= 0:
            return []
        begins: dict[Kind, int] = {}
        begin = 0
        for place, step in enumerate(program[:MOST_LOOKED_AT]):
            if step[0] >= 0:  # a task's last step bears its name
                begins.setdefault(kind_of(program[begin : place + 1]), begin)
                begin = place + 1
        new = [place for kind, place in begins.items() if kind not in self.met]
        return new if self.share == 1 else [p for p in new if _chance.random() < self.share]

    def may_go_on(self) -> bool:
        """The first task is measured in any case: on a busy machine the sizes of a bundle's inputs
        use up what is allowed, and none of the runs of a graph would ever teach anything.
        """
        if not self.steps:
            return True
        each = self.spent / self.steps
        if self.few and each <= CHEAP_SECONDS:
            return True
        return self.spent + each <= ALLOWANCE_SECONDS + SHARE * self.ran

    def begin(self, values: Mapping[int, Any]) -> None:
        """A bundle that is measured starts; steps drop what nobody needs after them."""
        start = perf_counter()
        few = islice(values.items(), MOST_SIZED)
        self.sizes = {name: nbytes(value) for name, value in few}
        self.spent += perf_counter() - start

    def task(
        self, steps: Sequence[Step], start: float, end: float, values: Mapping[int, Any]
    ) -> bool:
        """One task has run; its output is still there. Whether there is time for the next one.

        Where others watch as well, it is told of that one in any case.
        """
        out, _, arguments, _ = steps[-1]
        kind = kind_of(steps)
        if kind not in self.met and self.new > 0:
            self.new -= 1
        elif not self.may_go_on():
            return False
        if len(steps) > 1:
            made = {step[0] for step in steps}
            arguments = tuple({n: 0 for s in steps for n in s[2] if n not in made})
        seconds = end - start
        self.ran += seconds
        self.seen += seconds
        made_bytes = self.sizes[out] = nbytes(values[out])
        taken = warmed(self.taken.get(kind) or Taken(0, 0.0, []), seconds)
        rows, place = taken.samples, sampled(taken.calls)
        if place < ROWS_A_KIND:
            sizes = self.sizes
            held = sum([sizes.get(name, 0) for name in arguments])
            # Of constants planners know nothing; they take memory all the same.
            received = sum([sizes.get(name, 0) for name in arguments if name >= 0])
            rows[place : place + 1] = [Sample(received, seconds, made_bytes, held + made_bytes)]
        self.taken[kind] = Taken(taken.calls + 1, taken.seconds + seconds, rows)
        self.steps += len(steps)
        self.met.add(kind)
        self.spent += perf_counter() - end
        return self.may_go_on()

    def ended(self, seconds: float) -> None:
        """A bundle ran for so long in all, measured or not."""
        self.ran += max(seconds - self.seen, 0.0)

    def transfer(self, place: str, up: bool, nbytes: int, seconds: float) -> None:
        if len(self.moved) < MOST_TRANSFERS:
            self.moved.append(Moved(place, up, nbytes, seconds))

    def arrived(self, asked: float, now: float) -> None:
        """The container has come; ``asked`` is the clock of whoever invited it, 0 for unknown."""
        self.waited = now - asked if asked else -1.0

    def published(self, before: Sequence[tuple[Any, ...]], seconds: float) -> None:
        """An answer came; blobs that went with the call make it a transfer, else a round trip."""
        if before:
            nbytes = sum(memoryview(c[2]).nbytes for c in before if stores(c))
            self.transfer("r", True, nbytes, seconds)
        else:
            self.round_trip = seconds

    def report(self, packed: Sequence[Packed] = (), packing: float = 0.0) -> Measured:
        """What has not been told yet, and what pickling took of the bundle that is told of."""
        kinds = list(self.taken.items())
        told = Measured(kinds, self.moved, self.waited, self.round_trip, packed, packing)
        self.taken, self.moved, self.sizes = {}, [], {}
        self.waited = self.round_trip = -1.0
        return told


def warmed(taken: Taken, seconds: float) -> Taken:
    """What is known of a function whose next call took so long.

    Of ten thousand tasks of a microsecond five are measured, and one first call of forty microseconds
    would stand for two thousand of them.
    """
    if taken.calls != 1 or not 2 * seconds < taken.seconds < COLD_SECONDS:
        return taken
    return Taken(1, seconds, [taken.samples[0]._replace(seconds=seconds)])


def sampled(call: int) -> int:
    """Which sample a call replaces, ROWS_A_KIND or more for none: each call has the same chance,
    also a long one among short ones.
    """
    return call if call < ROWS_A_KIND else call * 2654435761 % (1 << 32) % (call + 1)


def kind_of(steps: Sequence[Step]) -> Kind:
    """What tasks of the same steps have in common."""
    return (steps[0][1],) if len(steps) == 1 else tuple([step[1] for step in steps])


def nbytes(value: Any, parts: int = FEW_PARTS) -> int:
    """What a value takes, as far as that can be told in a moment; user code must not fail by it."""
    try:
        return _nbytes(value, parts)
    except Exception:
        return 0


def _nbytes(value: Any, parts: int) -> int:
    size = getattr(value, "nbytes", None)
    if type(size) is int:
        return size
    if type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "_mgr"):
        return frame_bytes(value)
    if isinstance(value, list | tuple) and value:
        few = [nbytes(part, 1) for part in value[:parts]]
        return own_bytes(value) + sum(few) * len(value) // len(few)
    if isinstance(value, dict) and value:
        return own_bytes(value) + len(value) * nbytes(next(iter(value.values())), 1)
    return sys.getsizeof(value, 0)


def own_bytes(value: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> int:
    """Of a collection without its parts: Dask's own ones count all of them when they are asked."""
    base = next(base for base in (list, tuple, dict) if isinstance(value, base))
    return base.__sizeof__(value)


def frame_bytes(frame: Any) -> int:
    """By its blocks: to ask pandas, or Dask, takes twenty times as long, and tells hardly more."""
    size = int(frame.index.nbytes)
    for block in frame._mgr.blocks:
        values = block.values
        size += values.nbytes
        if getattr(values.dtype, "hasobject", False) and values.size:
            size += values.size * sys.getsizeof(values.flat[0], 0)
    return size
