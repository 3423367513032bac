"""One attempt at a bundle, named by its claim: what it writes, and how it fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from dask_serverless.blobs.base import Command
from dask_serverless.blobs.blobs import Blobs
from dask_serverless.worker.blame import Blame
from dask_serverless.worker.failure import as_exit, pack_failure, stored_at
from dask_serverless.worker.known_run import Settled
from dask_serverless.worker.said import Spoke
from dask_serverless.worker.told import Used

FAILURE_BYTES = 1 << 20  # a larger one is kept apart


@dataclass
class Attempt:
    run: str
    container: str
    bundle: int
    claim: str
    started: float = field(default_factory=time.time)
    written: list[bytes] = field(default_factory=list)  # to be deleted if nobody announces it
    skipped: int = 0  # names of which something may be stored that nobody announces
    before: list[Command] = field(default_factory=list)  # of a failure that is kept apart

    def names(self) -> Iterator[str]:
        """Of blobs: without a gap, so that those which nobody announced can be found."""
        first = len(self.written) + self.skipped
        return (f"{self.run}/{self.claim}-{n}" for n in count(first))

    def failure(
        self,
        error: BaseException,
        blame: Blame,
        settled: Settled | None,
        spoke: Spoke | None = None,
        used: Used | None = None,
    ) -> bytes:
        """For the client, which raises it, after it has heard so much."""
        function = ""
        if settled is not None and blame.task >= 0:
            function = settled.name_of(blame.function)
        error = as_exit(error, function or blame.doing)
        packed = pack_failure(
            error, blame, container=self.container, bundle=self.bundle, spoke=spoke, used=used
        )
        if settled is None or len(packed) <= FAILURE_BYTES:
            return packed
        return self.apart(packed, settled.blobs)

    def apart(self, failure: bytes, blobs: Blobs) -> bytes:
        """An exception with a large payload goes where large outputs go."""
        try:
            stored = blobs.put_apart(next(self.names()), failure)
        except Exception:  # no room: then it is the store that has to take it
            return failure
        self.written.append(stored.reference)
        self.before = stored.commands
        return stored_at(stored.reference)
