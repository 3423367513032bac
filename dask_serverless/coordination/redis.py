"""Coordination through Redis: each call is one script, so one atomic step and one round trip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgpack

from dask_serverless.blobs.base import Command
from dask_serverless.coordination.base import (
    LOST,
    OK,
    OVER,
    Answer,
    Assignment,
    Condition,
    Event,
    News,
    Remains,
    Report,
    Story,
    Submission,
)
from dask_serverless.store.link import Script

if TYPE_CHECKING:
    from dask_serverless.store.link import Link

SPECS_AT_ONCE = 500  # in one HSET
EVENTS_AT_ONCE = 10_000


@cache
def script(name: str) -> Script:
    folder = files("dask_serverless.coordination") / "lua"
    return Script((folder / "common.lua").read_text() + (folder / f"{name}.lua").read_text())


def pack(value: Any) -> bytes:
    """For cmsgpack, which reads raw strings."""
    return bytes(msgpack.packb(value, use_bin_type=False))


class RedisCoordination:
    def __init__(self, link: Link, run: str, epoch: str) -> None:
        self.link = link
        self.run = run
        self.epoch = epoch
        self.prefix = f"ds:{{{run}}}:"
        self.meta = self.prefix + "meta"

    def submit(
        self, submission: Submission, wait_seconds: float = 0.0, tasks: Sequence[int] = ()
    ) -> Story | None:
        key, live = self.prefix, submission.live_seconds
        written = ["meta", "begun"]
        commands: list[Command] = [
            (
                "HSET", self.meta, "epoch", self.epoch, "total", submission.bundles,
                "lease", submission.lease_ms, "cap", submission.containers,
                "attempts", submission.attempts, "live", live,
            ),
            ("SET", key + "header", submission.header, "EX", live),
        ]  # fmt: skip
        if submission.blobs:
            commands.append(("SADD", key + "trash", *submission.blobs))
            written.append("trash")
        fields: list[Any] = []
        for bundle, spec in enumerate(submission.specs):
            fields += (bundle, spec)
        for first in range(0, len(fields), 2 * SPECS_AT_ONCE):
            chunk = fields[first : first + 2 * SPECS_AT_ONCE]
            commands.append(("HSET", key + "spec", *chunk))
            written.append("spec")
        queues: dict[int, list[int]] = {}
        for bundle, slot in submission.ready:
            queues.setdefault(slot, []).extend((bundle, bundle))
        for slot, members in queues.items():
            queue = key + "ready" if slot < 0 else f"{key}ready:{slot}"
            commands += (("ZADD", queue, *members), ("EXPIRE", queue, live))
            if slot >= 0:
                commands.append(("ZADD", key + "slotted", slot, slot))
                written.append("slotted")
        commands.append(("XADD", key + "begun", "*", "b", "1"))
        commands += [("EXPIRE", key + name, live) for name in dict.fromkeys(written)]
        if not wait_seconds:
            self.link.call(*commands)
            return None
        commands.append(self.reading("end", "0-0", wait_seconds))
        # What follows a read that waits is carried out when that is over. Where there is only one
        # bundle, the event that ends the run tells everything.
        after = self.telling(tasks) if submission.bundles > 1 else []
        replies = self.link.call(*commands, *after, wait_seconds=wait_seconds)
        ended = replies[len(commands) - 1]
        if not ended:
            return None
        return self.told(replies[len(commands) :]) if after else Story(happened(ended[0][1]))

    def withdraw(self) -> None:
        begun = self.prefix + "begun"
        self.link.call(("XADD", begun, "*", "b", "0"), ("DEL", begun))

    def probe(self) -> None:
        """Raise what the store has against a small write, if anything."""
        self.link.call(("SET", self.prefix + "probe", "", "PX", 1))

    def claim(
        self,
        container: str,
        claim: str,
        *,
        slot: int | None = None,
        invited: bool = False,
        header: bool = False,
        ahead: str = "",
        early_seconds: float = 0.0,
    ) -> Answer:
        wish = ("" if slot is None else slot, int(invited), int(header), ahead)
        commands: list[Command] = [self.command("claim", container, claim, *wish)]
        if early_seconds:  # the claim follows in the same batch: no round trip in between
            wait = ("BLOCK", int(1000 * early_seconds), "STREAMS", self.prefix + "begun", "0-0")
            commands.insert(0, ("XREAD", *wait))
        reply = self.link.call(*commands, wait_seconds=early_seconds)[-1]
        return replace(answer(reply), header=reply[4]) if len(reply) > 4 else answer(reply)

    def publish(
        self,
        container: str,
        report: Report,
        following: str,
        before: Iterable[Command] = (),
        ahead: str = "",
    ) -> Answer:
        blobs = list(before)
        stored = [command[1] for command in blobs] if not self.link.cluster else []
        publish = self.command(
            "publish",
            container,
            report.bundle,
            report.claim,
            following,
            pack(report.outputs),
            report.children,
            report.releases,
            report.event,
            pack(report.deleted) if report.deleted else b"",
            pack(stored) if stored else b"",
            ahead,
        )
        reply = self.link.call(*blobs, publish)[-1]
        return replace(answer(reply), released=reply[4]) if len(reply) > 4 else answer(reply)

    def fail(self, container: str, bundle: int, claim: str, error: bytes) -> Answer:
        return answer(self.ask("fail", container, bundle, claim, error))

    def renew(self, container: str, bundle: int, claim: str) -> Answer:
        return answer(self.ask("renew", container, bundle, claim))

    def sweep(
        self, gone: Sequence[tuple[str, str]], live_seconds: int, wait_seconds: float = 0.0
    ) -> Condition:
        names = [part for pair in gone for part in pair]
        commands = [self.command("sweep", pack(names), live_seconds)]
        if wait_seconds:
            commands.insert(0, self.reading("end", "0-0", wait_seconds))
        reply = self.link.call(*commands, wait_seconds=wait_seconds)[-1]
        status = reply[0].decode()
        if status == OK:
            return Condition(OK, done=reply[1], invitations=invitations(reply[2]))
        if status == OVER:
            return Condition(OVER, why=reply[1].decode(), error=reply[2])
        return Condition(LOST)

    def news(self, last: str, wait_seconds: float, rest_seconds: float = 0.0) -> News:
        commands = [self.reading("events", last, wait_seconds)]
        if rest_seconds:
            commands.insert(0, self.reading("end", "0-0", rest_seconds))
        reply = self.link.call(*commands, wait_seconds=wait_seconds + rest_seconds)[-1]
        if not reply:
            return News(last)
        entries = reply[0][1]
        return News(entries[-1][0].decode(), happened(entries))

    def reading(self, stream: str, last: str, wait_seconds: float) -> Command:
        block = ("BLOCK", max(1, int(wait_seconds * 1000))) if wait_seconds > 0 else ()
        return ("XREAD", "COUNT", 1000, *block, "STREAMS", self.prefix + stream, last)

    def story(self, tasks: Sequence[int]) -> Story:
        return self.told(self.link.call(*self.telling(tasks)))

    def telling(self, tasks: Sequence[int]) -> list[Command]:
        commands: list[Command] = [self.page("-")]
        if tasks:
            commands.append(("HMGET", self.prefix + "out", *tasks))
        return commands

    def told(self, replies: Sequence[Any]) -> Story:
        entries, *outputs = replies
        page = entries
        while len(page) == EVENTS_AT_ONCE:
            page = self.link.call(self.page(b"(" + page[-1][0]))[0]
            entries += page
        return Story(happened(entries), outputs[0] if outputs else ())

    def page(self, start: str | bytes) -> Command:
        return ("XRANGE", self.prefix + "events", start, "+", "COUNT", EVENTS_AT_ONCE)

    def outputs(self, tasks: Sequence[int]) -> list[bytes | None]:
        return list(self.link.call(("HMGET", self.prefix + "out", *tasks))[0]) if tasks else []

    def forget(self) -> None:
        """Close without waiting, where nothing outside the store's keys has to be known."""
        self.link.post(self.command("close"))

    def close(self) -> Remains:
        reply = self.ask("close")
        if reply[0] != b"ok":
            return Remains()
        return Remains(reply[1], [claim.decode() for claim in reply[2]])

    def ask(self, name: str, *arguments: Any) -> Any:
        return self.link.call(self.command(name, *arguments))[0]

    def command(self, name: str, *arguments: Any) -> Command:
        return self.link.script(script(name), [self.meta], [self.epoch, *arguments])


def happened(entries: Any) -> list[Event]:
    return [Event(failed=fields[0] == b"f", payload=fields[1]) for _, fields in entries]


def answer(reply: Any) -> Answer:
    status = reply[0].decode()
    if status == OVER:
        return Answer(OVER, why=reply[1].decode())
    if status == OK and len(reply) > 1:
        return Answer(OK, assignment(reply[1]), invitations(reply[2]), assignment(reply[3]))
    return Answer(status)


def assignment(reply: Any) -> Assignment | None:
    return Assignment(int(reply[0]), reply[1], reply[2]) if reply else None


def invitations(reply: Any) -> list[str]:
    return [who.decode() for who in reply]
