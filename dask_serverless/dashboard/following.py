"""Following: reads what containers tell of one run, as it goes on."""

from __future__ import annotations

import time
from contextlib import suppress

import msgpack

from dask_serverless.coordination import said, watched
from dask_serverless.coordination.said import said_key
from dask_serverless.dashboard.view import View
from dask_serverless.store.link import Link
from dask_serverless.worker.said import unpack_batch
from dask_serverless.worker.witness import Batch

ENTRIES_AT_ONCE = 500
NO_KEY = -2  # in the place of the seconds that a key has to live


class Following:
    """Where the reading stands; over a new connection it goes on where the last one ended."""

    def __init__(self, run: str, view: View) -> None:
        self.run = run
        self.view = view
        self.last = self.last_line = "0-0"
        self.working: dict[int, str] = {}  # bundle → container, just now
        self.gone = False  # whether the run's own keys are
        self.behind = False  # whether there is more to read already

    def read(self, link: Link, wait_seconds: float = 0.0) -> bool:
        """Whether anything is new; ``wait_seconds`` for something to happen."""
        block = ("BLOCK", int(1000 * wait_seconds)) if wait_seconds else ()
        places = {watched.watched_key(self.run): self.last}
        places |= dict.fromkeys((said_key(self.run), watched.lines_key(self.run)), self.last_line)
        streams, working, losses, lives = link.call(
            ("XREAD", "COUNT", ENTRIES_AT_ONCE, *block, "STREAMS", *places, *places.values()),
            ("HGETALL", watched.working_key(self.run)),
            ("HGETALL", watched.losses_key(self.run)),
            ("TTL", watched.working_key(self.run)),
            wait_seconds=wait_seconds,
        )  # fmt: skip
        told = {key.decode(): found for key, found in streams or ()}
        entries = told.pop(watched.watched_key(self.run), [])
        lines = [entry for found in told.values() for entry in found]  # one of the two has them
        self.behind = ENTRIES_AT_ONCE in map(len, (entries, lines))
        self.working, self.gone = working_of(working), lives == NO_KEY
        with self.view.lock:
            series = self.view.series
            before = series.version
            for name, fields in entries:
                self.last = name.decode()
                heed(self.view, fields)
            for name, fields in lines:
                self.last_line = name.decode()
                heed(self.view, fields)
            now = time.time() - self.view.structure.submitted
            series.heed_losses(watched.losses(losses))
            series.heed_working(self.working, now)
            series.heed_silence(self.silence(lives, now))
            return series.version > before

    def silence(self, lives: int, now: float) -> float:
        """For how long the client has not looked after its run: each look gives it the same to live."""
        if not self.gone:
            return float(self.view.structure.live_seconds - lives)
        return now - self.view.series.latest


def heed(view: View, fields: list[bytes]) -> None:
    """One entry of a run's stream; what another version wrote is passed over."""
    what, told = fields[0].decode(), fields[1]
    with suppress(ValueError, TypeError, KeyError):
        if what == watched.BATCH:
            view.series.heed(Batch.unpack(told))
        elif what == said.BATCH.decode():
            view.series.heed_lines(unpack_batch(told))
        elif what == watched.OVER:
            view.series.heed_end(msgpack.unpackb(told, strict_map_key=False))


def working_of(reply: list[bytes]) -> dict[int, str]:
    """Bundle → container."""
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return {int(work.split()[0]): name.decode() for name, work in pairs if name and work}
