"""Resizing: the pace that a run has to keep, lest it goes on in larger containers, and what is told of that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgpack

from dask_serverless.coordination.notes import noted

TYPES = [int, int, int, int, int, int]  # of what is noted of a change


class Pace(NamedTuple):
    """Who is behind it goes on in the next of these sizes; from then on, the same pace is to be kept."""

    sizes: Sequence[int]  # numbers of those that are worth it, the smallest first
    due: Sequence[tuple[int, int]]  # ms after the submission, and how many bundles are done by then
    start_ms: int  # that a larger container takes to start
    patience_ms: int  # until the first one has to be there; else the run goes on without

    def pack(self) -> bytes:
        """As the scripts have it."""
        return bytes(msgpack.packb([self.patience_ms, self.start_ms, self.sizes, *self.due]))


class Resize(NamedTuple):
    """Bundles that have not begun go to containers of another size."""

    version: int  # of the plan, from then on; 0 is the plan as it was made
    before: int  # the number of the smallest size that would do
    size: int  # that of the one which does from then on; smaller: the larger one did not come
    done: int  # bundles
    expected: int  # how many should have been by then; 0 where the larger size did not come
    due_ms: int  # after the submission: when it was given up at the latest

    @staticmethod
    def unpack(payload: bytes) -> Resize:
        return Resize(*noted(payload, TYPES, "run that went on in another size"))

    def pack(self) -> bytes:
        return bytes(msgpack.packb(tuple(self)))


class Pacing:
    """How one run in memory keeps its pace."""

    def __init__(self, pace: Pace | None) -> None:
        self.pace = pace  # None once it was given up
        self.lag = 0  # ms
        self.awaited: tuple[int, int] | None = None  # until when, and the size before

    def look(
        self, version: int, elapsed: int, done: int, least: int, largest: int
    ) -> Resize | None:
        """What has to change, so many ms after the submission, if anything; ``largest`` is the size
        of the largest container that has come.
        """
        if self.pace is None:
            return None
        if self.awaited is not None:
            return self.give_up(version, elapsed, done, least, largest)
        larger = next((size for size in self.pace.sizes if size > least), None)
        if larger is None:
            return None
        reached = 0
        for due, bundles in self.pace.due:
            if elapsed <= due + self.lag:
                return None
            if done < bundles:
                resize = Resize(version, least, larger, done, bundles, due + self.lag)
                self.lag = elapsed + self.pace.start_ms - reached
                self.awaited = elapsed + self.pace.patience_ms, least
                return resize
            reached = due
        return None

    def give_up(
        self, version: int, elapsed: int, done: int, least: int, largest: int
    ) -> Resize | None:
        """If nobody of the larger size has come in time."""
        assert self.awaited is not None
        ends, before = self.awaited
        if elapsed <= ends:
            return None
        self.awaited = None
        if largest >= least:
            return None
        self.pace = None
        return Resize(version, least, before, done, 0, ends)
