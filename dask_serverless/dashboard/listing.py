"""Listing: the runs that a store knows of, the latest last, and how each of them ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import msgpack

from dask_serverless.blobs.base import LIVE_SECONDS, Command
from dask_serverless.coordination import watched
from dask_serverless.dashboard.following import NO_KEY
from dask_serverless.dashboard.series import SILENT_SECONDS

MOST_RUNS = watched.MOST_RUNS
MOST_ASKED = 20  # runs under way, of which one asks whether their clients are still there

GOING = ("running", "lost")
OVER = ("done", "failed")

Entry = tuple[bytes, list[bytes]]


@dataclass(frozen=True)
class Listed:
    """A run in the list."""

    run: str
    submitted: float  # seconds of the epoch
    tasks: int
    bundles: int
    host: str = ""
    state: str = ""  # running, done, failed or lost; unknown of one that an older version left
    seconds: float = 0.0  # its makespan, once it is over
    error: str = ""
    planner: str = ""
    results: str = ""  # the prefixes of what it gives
    cost: float = 0.0  # by the price table, once it is over
    live_seconds: int = LIVE_SECONDS  # by which its keys outlive the last look of its client


class Listing:
    """Told of by the entries of ``watched.INDEX``. ``version`` grows with each change."""

    def __init__(self) -> None:
        self.runs: dict[str, Listed] = {}
        self.silent: set[str] = set()  # whose clients may come back: they were only stopped
        self.dropped = 0  # runs that went before their time
        self.ended: Counter[str] = Counter()  # how, of all runs whose end was told: never less
        self.version = 0

    @property
    def latest(self) -> str:
        try:
            return next(reversed(self.runs), "")
        except RuntimeError:  # another thread reads the list just now
            return ""

    def clear(self) -> None:
        self.runs, self.silent, self.dropped = {}, set(), 0
        self.version += 1

    def heed(self, entries: Iterable[Entry]) -> None:
        heeded: Mapping[str, Callable[[bytes], None]] = {
            watched.RUN: self.add, watched.OVER: self.end, watched.GONE: self.remove,
        }  # fmt: skip
        for _, (what, told, *_) in entries:
            with suppress(ValueError, TypeError, KeyError):  # of another version
                heeded[what.decode()](told)
        self.version += 1

    def add(self, packed: bytes) -> None:
        """Once: a client whose connection broke as it told of a run has told of it again."""
        told = msgpack.unpackb(packed)
        words: dict[str, Any] = {n: str(told.get(n, "")) for n in WORDS}  # older versions had none
        listed = Listed(
            **{name: told[name] for name in ("run", *SUBMITTED)}, **words,
            state="running" if told.get("ends") else "",
            live_seconds=int(told.get("live", LIVE_SECONDS)),
        )  # fmt: skip
        if listed.run not in self.runs:
            self.runs[listed.run] = listed
        while len(self.runs) > MOST_RUNS:
            del self.runs[next(iter(self.runs))]

    def end(self, packed: bytes) -> None:
        told = msgpack.unpackb(packed)
        run, error = told["run"], str(told["error"])
        self.silent.discard(run)
        if run in self.runs:
            state, seconds = "failed" if error else "done", float(told["seconds"])
            cost = float(told.get("cost", 0.0))
            if self.runs[run].state not in OVER:  # a client may tell of it twice
                self.ended[state] += 1
            ended = replace(self.runs[run], state=state, seconds=seconds, error=error, cost=cost)
            self.put(ended)

    def remove(self, run: bytes) -> None:
        """The store has nothing of it any more, to make room for others."""
        self.dropped += 1
        self.silent.discard(run.decode())
        self.runs.pop(run.decode(), None)

    def put(self, listed: Listed) -> None:
        self.runs[listed.run] = listed
        self.version += 1

    # Clients that are gone cannot tell of an end

    def asked(self) -> list[tuple[str, Command]]:
        """Runs that go on as far as is known, and what says how long their clients are silent."""
        going = (
            listed.run
            for listed in reversed(self.runs.values())
            if listed.state == "running" or listed.run in self.silent
        )
        return [(run, ("TTL", watched.working_key(run))) for run in islice(going, MOST_ASKED)]

    def heed_silence(self, runs: Sequence[str], lives: Sequence[Any], now: float) -> None:
        """Each look of a client gives its run's keys the same time to live."""
        for run, left in zip(runs, lives, strict=True):
            if (listed := self.runs.get(run)) is None or listed.state not in GOING:
                continue  # its end was told meanwhile
            silent = now - listed.submitted if left == NO_KEY else listed.live_seconds - left
            state = "lost" if silent > SILENT_SECONDS else "running"
            self.silent.discard(run)
            if state == "lost" and left != NO_KEY:
                self.silent.add(run)
            if state != listed.state:
                self.put(replace(listed, state=state))


WORDS = ("planner", "results")
SUBMITTED = ("submitted", "tasks", "bundles", "host")
