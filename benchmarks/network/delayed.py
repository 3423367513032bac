"""A nursery whose containers take longer to invite, and to come up: as a platform's do.

Run in the place of the engine's own, by ``Apart``.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Sequence

from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import Invite, Message, Opening
from dask_serverless.backends.nursery import Nursery
from dask_serverless.backends.nursery_process import main
from dask_serverless.backends.ward import Ward
from dask_serverless.backends.wards import Wards


class ColdWards(Wards):
    cold_seconds = 0.0

    def become(
        self, name: str, stream: socket.socket, errors: int, number: int, parent: int
    ) -> None:
        time.sleep(self.cold_seconds)
        super().become(name, stream, errors, number, parent)


class DelayedNursery(Nursery):
    def __init__(
        self, client: Lines, opening: Opening, seconds: float, cold_seconds: float
    ) -> None:
        super().__init__(client, opening)
        self.wards = ColdWards(client, opening, self.poll, self.editions)
        self.wards.cold_seconds = cold_seconds
        self.seconds = seconds
        self.under_way: deque[tuple[float, Invite]] = deque()

    def hear(self, messages: Sequence[Message], ward: Ward | None = None) -> None:
        due = time.monotonic() + self.seconds
        self.under_way += [(due, message) for message in messages if isinstance(message, Invite)]
        super().hear([message for message in messages if not isinstance(message, Invite)], ward)

    def place(self) -> None:
        while self.under_way and self.under_way[0][0] <= time.monotonic():
            super().hear([self.under_way.popleft()[1]])
        super().place()

    def patience(self) -> int | None:
        before = super().patience()
        if not self.under_way:
            return before
        left = max(0, int(1000 * (self.under_way[0][0] - time.monotonic())) + 1)
        return left if before is None else min(before, left)


def live(seconds: float, cold_seconds: float) -> None:
    main(lambda client, opening: DelayedNursery(client, opening, seconds, cold_seconds))
