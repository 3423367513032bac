"""Saying: the pipe from containers to their keeper, who passes on what their tasks print.

What stands in a pipe outlives who wrote it. So a line that was printed arrives, even if the process
is killed a moment later, and also while a call into C holds its interpreter.
"""

from __future__ import annotations

import fcntl
import os
import select
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress

from dask_serverless.coordination.said import added
from dask_serverless.errors import StoreError
from dask_serverless.store.link import Link
from dask_serverless.worker.said import Said, apart, pack_batch

PIPE_BYTES = 1 << 20
READ_BYTES = 1 << 18
BATCH_LINES = 500
PATIENCE_SECONDS = 0.2  # of a task with a keeper that does not read
REST_SECONDS = 0.02  # between batches: lines come one by one, and go together


class Saying:
    """Made before any fork, by whoever has containers and a keeper."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        for end in (self.reading, self.writing):
            os.set_blocking(end, False)
        with suppress(OSError, AttributeError):  # more than the system allows, or not Linux
            fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def close(self) -> None:
        os.close(self.reading)
        os.close(self.writing)


class Mouth:
    """A container's end of it."""

    def __init__(
        self, writing: int, alone: bool, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self.writing = writing
        self.patience_seconds = patience_seconds
        self.alone = alone  # whether all threads of this process are the container's
        self.heard = True  # whether the last one was taken

    def say(self, spoken: bytes) -> bool:
        """Whether it was taken, as a whole."""
        if len(spoken) > select.PIPE_BUF:  # a longer one might be torn
            return False
        if not self.heard or not self.written(spoken):
            self.heard = self.writable(0.0 if not self.heard else self.patience_seconds)
            return self.heard and self.written(spoken)
        return True

    def written(self, spoken: bytes) -> bool:
        try:
            return os.write(self.writing, spoken) == len(spoken)
        except OSError:
            return False

    def writable(self, seconds: float) -> bool:
        probe = select.poll()
        probe.register(self.writing, select.POLLOUT)
        return bool(probe.poll(int(1000 * seconds)))


class Ear:
    """The keeper's end."""

    def __init__(self, reading: int, link: Callable[[str], Link]) -> None:
        self.reading = reading
        self.link = link
        self.rest = b""

    def fileno(self) -> int:
        return self.reading

    def pass_on(self) -> None:
        """What has come, to the runs' streams; a store that cannot take it now never gets it."""
        found, self.rest = apart(self.rest + self.read())
        by_run: defaultdict[tuple[str, str], list[Said]] = defaultdict(list)
        for spoken in found:
            by_run[spoken.store, spoken.run].append(spoken.said)
        for (store, run), lines in by_run.items():
            with suppress(StoreError):
                self.link(store).call(
                    *[
                        added(run, pack_batch(lines[first : first + BATCH_LINES]))
                        for first in range(0, len(lines), BATCH_LINES)
                    ]
                )
        time.sleep(REST_SECONDS)

    def read(self) -> bytes:
        try:
            return os.read(self.reading, READ_BYTES)
        except BlockingIOError:
            return b""
