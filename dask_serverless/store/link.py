"""One round trip to the store for a batch of commands, however often it takes to get it through.

A failed connection is opened anew and the batch is sent again. That is safe because every command
that this project sends may be repeated: coordination answers the same claim twice with the same
answer, and a blob is written under a name that only one attempt uses.

Ctrl-C may come between any two steps. A link that is left in the middle of an exchange knows it
(``_busy``), and its next use opens a new connection: a late answer must not be read as another's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

from hiredis import ProtocolError, ReplyError

from dask_serverless.errors import StoreError, StoreUnreachable, StoreValueTooLarge
from dask_serverless.store.address import Address
from dask_serverless.store.patience import Patience
from dask_serverless.store.replies import TRANSIENT, code, failure, name_of
from dask_serverless.store.resp import Argument, Command, largest
from dask_serverless.store.script import Script
from dask_serverless.store.wire import Wire

#: A socket on this host answers or is gone; a network may have a bad moment, a server a failover.
UNIX_PATIENCE_SECONDS = 1.0
NETWORK_PATIENCE_SECONDS = 15.0
#: How long a value may be at most: proto-max-bulk-len, which nobody can set lower than this,
LEAST_LIMIT_BYTES = 1 << 20
#: and which hardly anybody sets.
USUAL_LIMIT_BYTES = 512 << 20


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
        self._busy = False  # an exchange is under way, or was when it was interrupted
        self._closed_bytes = (0, 0)
        self._posted: Command | None = None  # sent; its reply is still to come
        self._unanswered: list[Command] = []  # posted in vain, to be sent again
        self._loaded: set[Argument] = set()  # scripts that were posted before
        self._pid = os.getpid()

    def call(self, *commands: Command, wait_seconds: float = 0.0, raises: bool = True) -> list[Any]:
        """The commands' replies, after one round trip.

        `wait_seconds` is how long the commands may block on purpose (XREAD BLOCK and the like).
        The first error reply is raised, or with `raises=False` stands among the replies as a
        StoreError.
        """
        self.calls += 1
        self._begin_use()
        replies = self._deliver(commands, wait_seconds)
        if ReplyError in map(type, replies):
            self._settle(commands, replies, wait_seconds)
            self._busy = False
            return self._with_failures(commands, replies, raises)
        self._busy = False
        return replies

    def post(self, command: Command) -> None:
        """Send a script's command whose reply nobody waits for: it is read before the next call's.

        What is lost with its connection, or refused, is repeated by the next post, at the latest
        by `finish`. The first time it is an ordinary call, which loads the script.
        """
        self.calls += 1
        self._begin_use()
        if command[1] not in self._loaded or self._unanswered:
            self._unanswered.append(command)
            with suppress(StoreUnreachable):
                self._repeat()
        else:
            self._posted = command
            try:
                self._send_posted(command)
            except (OSError, ProtocolError, StoreUnreachable):
                self.close()
        self._busy = False

    def finish(self) -> None:
        """See to it that all that was posted is answered, and close the connection."""
        self._begin_use()
        try:
            self._repeat()
        finally:
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
        if self._posted is not None:
            self._unanswered.append(self._posted)
            self._posted = None
        self._disconnect()
        self._busy = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _disconnect(self) -> None:
        if self._wire is not None:
            self._closed_bytes = (self.bytes_sent, self.bytes_received)
            self._wire.close()
            self._wire = None
        self._begun = False

    def _begin_use(self) -> None:
        if self._busy:
            self.close()
        self._busy = True
        if self._posted is not None:
            self._read_posted()

    def _read_posted(self) -> None:
        assert self._posted is not None
        if self._pid != os.getpid():  # a fork's copy: the parent sees to what it posted
            self._pid, self._posted = os.getpid(), None
            self._unanswered.clear()
            self._disconnect()
            return
        try:
            reply = self._posted_reply(self._posted)
        except (OSError, ProtocolError) as error:
            self._disconnect()
            reply = error
        if isinstance(reply, Exception):
            self._unanswered.append(self._posted)
        self._posted = None

    def _repeat(self) -> None:
        """Send what was posted in vain; what the server refuses even now waits for another time."""
        commands = list(self._unanswered)
        if not commands:
            return
        self._loaded.clear()
        replies = self._deliver(commands, 0.0)
        self._settle(commands, replies, 0.0)
        tried = list(zip(commands, replies, strict=True))
        self._unanswered = [command for command, reply in tried if type(reply) is ReplyError]
        self._loaded.update(command[1] for command, reply in tried if type(reply) is not ReplyError)

    def _send_posted(self, command: Command) -> None:
        self._connected().send([command])

    def _posted_reply(self, command: Command) -> Any:
        assert self._wire is not None  # else it would have been closed, and nothing be under way
        return self._wire.receive(1)[0]

    def _begin(self, commands: Sequence[Command]) -> None:
        """Send now what `_deliver` will be asked for next, so that several nodes work at once."""
        try:
            self._connected().send(commands)
            self._begun = True
        except (OSError, ProtocolError):
            self._disconnect()

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
                self._disconnect()
                if isinstance(error, StoreError) or not _is_of_connection(error):
                    raise
                self._refuse_too_large(commands)
                patience = patience or Patience(self.patience_seconds)
                if not patience.pause():
                    cause = str(error) or type(error).__name__
                    raise StoreUnreachable(self.address.shown, cause) from error
            except BaseException:
                self._disconnect()  # answers may be under way that nobody will read
                raise

    def _refuse_too_large(self, commands: Sequence[Command]) -> None:
        """A server closes the connection over a value longer than it takes: more tries are vain."""
        command, nbytes = largest(commands)
        if nbytes > LEAST_LIMIT_BYTES and nbytes > (limit := self._value_limit()):
            raise StoreValueTooLarge(self.address.shown, name_of(command), nbytes, limit)

    def _value_limit(self) -> int:
        with suppress(StoreError), Link(self.address, self.patience_seconds) as other:
            _, limit = other.call(("CONFIG", "GET", "proto-max-bulk-len"))[0]
            return int(limit)
        return USUAL_LIMIT_BYTES  # CONFIG is forbidden

    def _connected(self) -> Wire:
        if self._pid != os.getpid():  # a fork must not talk over its parent's connection
            self._pid = os.getpid()
            self._disconnect()
        if self._wire is None:
            self._wire = Wire(self.address)
        return self._wire

    def _settle(self, commands: Sequence[Command], replies: list[Any], wait_seconds: float) -> None:
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
                self._disconnect()  # after a failover, the name may lead to the new primary
            replies[start:] = self._deliver(todo[start:], wait_seconds)

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


def _is_of_connection(error: Exception) -> bool:
    """Not what a signal handler raised meanwhile: TimeoutError, say, to end an alarm's time."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return module in ("socket", "ssl") or module.startswith("dask_serverless.store.")
