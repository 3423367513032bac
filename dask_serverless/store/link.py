"""One round trip to the store for a batch of commands, however often it takes to get it through.

A failed connection is opened anew and the batch is sent again. That is safe because every command
that this project sends may be repeated: coordination answers the same claim twice with the same
answer, and a blob is written under a name that only one attempt uses.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any, Self

from hiredis import ProtocolError, ReplyError

from dask_serverless.errors import StoreUnreachable
from dask_serverless.store.address import Address
from dask_serverless.store.patience import Patience
from dask_serverless.store.replies import TRANSIENT, code, failure
from dask_serverless.store.resp import Argument, Command
from dask_serverless.store.wire import Wire

#: A socket on this host answers or is gone; a network may have a bad moment, a server a failover.
UNIX_PATIENCE_SECONDS = 1.0
NETWORK_PATIENCE_SECONDS = 15.0


@dataclass(frozen=True)
class Script:
    """A Lua script, known to servers by its SHA-1."""

    source: str = field(repr=False)
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.source.encode()).hexdigest())


class Link:
    """A held connection to one server, for the one thread that uses it."""

    cluster = False  # whether keys are spread over several servers

    def __init__(self, address: Address, patience_seconds: float | None = None) -> None:
        unix = address.scheme == "unix"
        default = UNIX_PATIENCE_SECONDS if unix else NETWORK_PATIENCE_SECONDS
        self.address = address
        self.patience_seconds = default if patience_seconds is None else patience_seconds
        #: Round trips asked for: what reports count.
        self.calls = 0
        self._scripts: dict[str, str] = {}
        self._wire: Wire | None = None
        self._begun = False
        self._closed_bytes = (0, 0)
        self._posted = 0  # commands sent whose replies are still to come
        self._loaded: set[Argument] = set()  # scripts that were posted before
        self._pid = os.getpid()

    def call(self, *commands: Command, wait_seconds: float = 0.0, raises: bool = True) -> list[Any]:
        """The commands' replies, after one round trip.

        `wait_seconds` is how long the commands may block on purpose (XREAD BLOCK and the like).
        The first error reply is raised, or with `raises=False` stands among the replies as a
        StoreError.
        """
        self.calls += 1
        self._settle_posted()
        replies = self._deliver(commands, wait_seconds)
        if ReplyError in map(type, replies):
            return self._settle(commands, replies, wait_seconds, raises)
        return replies

    def post(self, command: Command) -> None:
        """Send a script's command whose reply nobody needs: it is read before the next call's.

        The command is lost if the connection is; for what is tried again by others anyway. The
        first time it is an ordinary call, which loads the script where the server lacks it.
        """
        if command[1] not in self._loaded:
            self.call(command)
            self._loaded.add(command[1])
            return
        self.calls += 1
        self._settle_posted()
        with suppress(OSError):
            self._connected().send([command])
            self._posted += 1

    def _settle_posted(self) -> None:
        posted, self._posted = self._posted, 0
        if posted and self._wire is not None and self._pid == os.getpid():
            try:
                if ReplyError in map(type, self._wire.receive(posted)):
                    self._loaded.clear()
            except OSError:
                self.close()

    def script(
        self, script: Script, keys: Sequence[Argument] = (), arguments: Sequence[Argument] = ()
    ) -> Command:
        """The command that runs a script; `call` sends its source if the server lacks it."""
        self._scripts[script.sha] = script.source
        return ("EVALSHA", script.sha, len(keys), *keys, *arguments)

    @property
    def bytes_sent(self) -> int:
        return self._closed_bytes[0] + (self._wire.bytes_sent if self._wire else 0)

    @property
    def bytes_received(self) -> int:
        return self._closed_bytes[1] + (self._wire.bytes_received if self._wire else 0)

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        self._posted = 0
        if self._wire is not None:
            self._closed_bytes = (self.bytes_sent, self.bytes_received)
            self._wire.close()
            self._wire = None
        self._begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _begin(self, commands: Sequence[Command]) -> None:
        """Send now what `_deliver` will be asked for next, so that several nodes work at once."""
        try:
            self._connected().send(commands)
            self._begun = True
        except (OSError, ProtocolError):
            self.close()

    def _deliver(self, commands: Sequence[Command], wait_seconds: float) -> list[Any]:
        """The replies to one exchange, over as many connections as that takes."""
        patience: Patience | None = None
        while True:
            try:
                wire = self._connected()
                if not self._begun:
                    wire.send(commands)
                self._begun = False
                return wire.receive(len(commands), wait_seconds)
            except (OSError, ProtocolError) as error:
                self.close()
                patience = patience or Patience(self.patience_seconds)
                if not patience.pause():
                    cause = str(error) or type(error).__name__
                    raise StoreUnreachable(self.address.shown, cause) from error
            except BaseException:
                # Interrupted between question and answer: the next call must not read this answer.
                self.close()
                raise

    def _connected(self) -> Wire:
        if self._pid != os.getpid():  # a fork must not talk over its parent's connection
            self._pid = os.getpid()
            self.close()
        if self._wire is None:
            self._wire = Wire(self.address)
        return self._wire

    def _settle(
        self, commands: Sequence[Command], replies: list[Any], wait_seconds: float, raises: bool
    ) -> list[Any]:
        """Repeat from the first reply that asks for it, until only final replies are left."""
        patience = Patience(self.patience_seconds)
        todo = list(commands)
        while (start := self._first_repeatable(todo, replies)) is not None:
            if code(replies[start]) == "NOSCRIPT":
                _evalsha, sha, *rest = todo[start]
                todo[start] = ("EVAL", self._scripts[str(sha)], *rest)
            elif not patience.pause():
                break
            elif code(replies[start]) == "READONLY":
                self.close()  # after a failover, the name may lead to the new primary
            replies[start:] = self._deliver(todo[start:], wait_seconds)
        return self._with_failures(commands, replies, raises)

    def _first_repeatable(self, commands: list[Command], replies: list[Any]) -> int | None:
        for position, (command, reply) in enumerate(zip(commands, replies, strict=True)):
            if type(reply) is ReplyError:
                forgotten = code(reply) == "NOSCRIPT" and command[1] in self._scripts
                if forgotten or code(reply) in TRANSIENT:
                    return position
        return None

    def _with_failures(
        self, commands: Sequence[Command], replies: list[Any], raises: bool
    ) -> list[Any]:
        for position, reply in enumerate(replies):
            if type(reply) is ReplyError:
                replies[position] = failure(self.address, commands[position], reply)
                if raises:
                    raise replies[position]
        return replies
