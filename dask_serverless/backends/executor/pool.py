"""A pool in the store: where invitations wait for containers, and containers for invitations.

The store is the one thing that client and containers on an executor all reach. So a container takes
its invitations from there, for one run after the other, and invites others there: the client is
needed only where a container is to be started.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from dask_serverless.backends.sealed import sealed, unsealed
from dask_serverless.errors import InvitationExpired
from dask_serverless.signing.secret import Secret
from dask_serverless.store.link import Link
from dask_serverless.store.script import Script, script_of
from dask_serverless.worker.invitation import Invitation

LIVES_PULSES = 4  # how many pulses of the client may be missed before it counts as gone
OVER = b"over"


@cache
def script(name: str) -> Script:
    return script_of(__package__, "pool", name)


class PoolOver(Exception):
    """The client has closed the pool, or is gone."""


@dataclass(frozen=True)
class Look:
    """What a client learns of its pool."""

    waiting: int = 0  # invitations that nobody is there to answer
    came: int = 0  # calls of which a container has come
    left: Sequence[str] = ()  # stopped runs on which nobody works any more


@dataclass(frozen=True)
class Order:
    """What all containers of a pool are to do."""

    what: str  # "stop": leave the run; "wait": leave others, since it waits for a container
    run: str  # with "stop", "" for any


class Pool:
    """Seen by one party, over its own link."""

    def __init__(self, link: Link, name: str, secret: Secret | None = None) -> None:
        self.link = link
        self.name = name
        self.secret = secret
        self.prefix = f"ds:{{{name}}}:"

    # by the client

    def pulse(self, pulse_seconds: float, stopping: Sequence[str] = ()) -> Look:
        """The client is alive; without its pulse the keys go, and the containers with them."""
        live = max(1, round(LIVES_PULSES * pulse_seconds))
        alive = ("SET", self.prefix + "alive", live, "EX", live)
        reply = self.link.call(alive, self.command("look", *stopping))[-1]
        return Look(reply[1], reply[2], [run.decode() for run in reply[3]])

    def invite(
        self, invitation: Invitation, count: int, most: int, *, by_container: bool = False
    ) -> Look:
        """Ask for containers; ``most`` invitations of a run may wait."""
        packed = pack(invitation, self.secret)
        preferred = invitation.container
        reply = self.ask(
            "invite", invitation.run, packed, count, preferred, most, int(by_container)
        )
        return Look(reply[1], reply[2])

    def calls(self, seconds: float) -> str | None:
        """What the client is to look at: a lost container, or "" for all; None: nothing."""
        wait = ("BLPOP", self.prefix + "calls", seconds)
        reply = self.link.call(wait, wait_seconds=seconds)[0]
        return reply[1].decode() if reply else None

    def gone(self, call: str) -> str:
        """A call has ended: the container that came of it last, if any did."""
        return str(self.ask("gone", call)[1].decode())

    def dismiss(self, count: int) -> None:
        """So many of the containers that are idle leave."""
        self.ask("dismiss", count)

    def stop(self, run: str) -> None:
        self.ask("stop", run)

    def forget(self, run: str) -> None:
        """It is over: who comes for it would look for it in vain, and for a while."""
        self.ask("forget", run)

    def close(self) -> list[str]:
        """Wake all who wait, for them to leave; of which calls containers have come."""
        return [call.decode() for call in self.ask("close")[1]]

    # by a container

    def wanted(self, call: str) -> bool:
        """Whether a call that begins has anything to do."""
        return bool(self.ask("wanted", call)[1])

    def join(self, call: str, token: str) -> str:
        """The name of the container that has come of a call."""
        return str(self.ask("join", call, token)[1].decode())

    def next(self, container: str, seconds: float, store: str) -> Invitation | None:
        """The next invitation, if one comes in time."""
        self.ask("wait", container)
        own = self.prefix + f"own:{container}"
        reply = self.link.call(("BLPOP", own, seconds), wait_seconds=seconds)[0]
        if reply is None:
            return None
        if not reply[1]:
            raise PoolOver
        try:
            return unpack(reply[1], store, self.secret)
        except InvitationExpired:  # the executor had no place for so long: the sweep asks again
            return None

    def leave(self, container: str) -> bool:
        """Whether a container that was idle for long may go: it may have been invited just now."""
        return bool(self.ask("leave", container)[1])

    def orders(self, last: str, seconds: float) -> tuple[str, list[Order]]:
        """What was ordered after ``last`` ("": from now on), or is within so many seconds.

        Once the client is gone: to stop, whatever it is.
        """
        stream, alive = self.prefix + "orders", ("EXISTS", self.prefix + "alive")
        if not last:
            newest = self.link.call(("XREVRANGE", stream, "+", "-", "COUNT", 1))[0]
            last = newest[0][0].decode() if newest else "0-0"
        read = ("XREAD", "BLOCK", max(1, int(1000 * seconds)), "STREAMS", stream, last)
        reply, lives = self.link.call(read, alive, wait_seconds=seconds)
        if not lives:
            return last, [Order("stop", "")]
        entries = reply[0][1] if reply else []
        orders = [Order(*map(bytes.decode, fields)) for _, fields in entries]
        return entries[-1][0].decode() if entries else last, orders

    def ask(self, name: str, *arguments: Any) -> Any:
        reply = self.link.call(self.command(name, *arguments))[0]
        if reply[0] == OVER:
            raise PoolOver
        return reply

    def command(self, name: str, *arguments: Any) -> Any:
        return self.link.script(script(name), [self.prefix + "alive"], arguments)


def pack(invitation: Invitation, secret: Secret | None) -> bytes:
    """Without the store's URL, which has a password: who reads this has reached the store."""
    invitation = replace(invitation, store="")
    if secret is not None:
        return sealed(invitation, secret).encode()
    return json.dumps(invitation.to_json()).encode()


def unpack(packed: bytes, store: str, secret: Secret | None) -> Invitation:
    if secret is not None:
        return replace(unsealed(packed, secret), store=store)
    return Invitation(**{**json.loads(packed), "store": store})
