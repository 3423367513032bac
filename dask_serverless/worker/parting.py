"""Parting: a bundle that takes longer than its plan held possible, and what others may have of it.

Its pieces are run one after another. Between two of them, its container looks at the clock; once the
bundle is late, it asks the store whether anybody has nothing to do, and hands pieces over that have
not begun. It keeps a share that it runs itself, and may hand more of that over later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from math import inf
from time import perf_counter

from dask_serverless.coordination.base import Division, Room
from dask_serverless.errors import StoreFull
from dask_serverless.worker.bundle import BundleSpec, Limit, encode
from dask_serverless.worker.dividing import Divided, divided
from dask_serverless.worker.pieces import Piece, in_common, pieces_of, taken_by

EACH = 2  # parts for each container: they will not take equally long
MOST_PARTS = 64
MOST_BYTES = 1 << 20  # of specs in one call
LATER = 1.25  # times as long as now it has to run until it is worth asking again
TRIES = 3  # others may divide their bundles at the same moment

Split = Callable[[Division | None], Room]  # asks the store; raises where the bundle is not ours


class Parting:
    """Of one bundle, while it runs. Its spec is what is left to this container."""

    def __init__(self, spec: BundleSpec, bundle: int, limit: Limit, split: Split) -> None:
        self.spec = spec
        self.bundle = bundle
        self.limit = limit
        self.split = split
        self.pieces = pieces_of(spec.program)
        self.shared = in_common(self.pieces)
        self.begun = 0  # how many pieces
        self.patience = limit.seconds
        self.asking = 0.0  # seconds that looking after others took

    @property
    def program(self) -> Piece:
        """The same as the spec's, piece by piece."""
        return [step for piece in self.pieces for step in piece]

    def in_turn(self) -> Iterator[tuple[int, int, Collection[int]]]:
        """Where each piece begins and ends in the program, and what has to stay after it."""
        stored, start, first = set(self.spec.stored), perf_counter(), 0
        while self.begun < len(self.pieces):
            piece = self.pieces[self.begun]
            self.begun += 1
            keep = {step[0] for step in piece if step[0] in stored} | (
                taken_by(piece) & self.shared
            )
            yield first, first + len(piece), keep
            first += len(piece)
            seconds = perf_counter() - start
            if seconds > self.patience:
                self.look(seconds, first)

    def look(self, seconds: float, steps: int) -> None:
        """It is late, after so many steps: hand over what is worth it, if there is anybody."""
        self.patience = LATER * seconds
        pieces = self.pieces[self.begun :]
        left = seconds / steps * sum(map(len, pieces))
        most = min(len(pieces), int(left / self.limit.others_seconds))
        if most < 2:
            return
        begun = perf_counter()
        room = self.split(None)
        if room.containers > 0:
            self.hand_over(min(most, EACH * (room.containers + 1), MOST_PARTS), room)
        self.asking += perf_counter() - begun

    def hand_over(self, count: int, room: Room) -> None:
        mine, *others = shares(self.pieces[self.begun :], count)
        stays = [*self.pieces[: self.begun], *mine]
        after = Limit(self.limit.others_seconds, self.limit.others_seconds)
        found = divided(self.spec, self.bundle, [stays, *others], after)
        specs = [encode(spec) for spec in found.specs]
        if sum(map(len, specs)) > MOST_BYTES:
            self.patience = inf
        elif self.divide(specs, found, room):
            self.spec, self.pieces = found.specs[0], stays

    def divide(self, specs: Sequence[bytes], found: Divided, room: Room) -> bool:
        kept, *parts = specs
        for _ in range(TRIES):
            try:
                room = self.split(Division(kept, parts, room.bundles, found.uses))
            except StoreFull:  # nothing has happened
                return False
            if room.divided or not room.containers:
                break
        return room.divided


def shares(pieces: Sequence[Piece], count: int) -> list[Sequence[Piece]]:
    """As many pieces in each, but for one; the larger ones first."""
    bounds = [-(-len(pieces) * place // count) for place in range(count + 1)]
    return [pieces[first:last] for first, last in zip(bounds, bounds[1:], strict=False)]
