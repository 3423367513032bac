"""Coordination through Redis: each call is one script, so one atomic step and one round trip."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import msgpack

from dask_serverless.blobs.base import Command
from dask_serverless.coordination import said
from dask_serverless.coordination.base import (
    LOCAL,
    LOST,
    NEVER,
    OK,
    OVER,
    Answer,
    Assignment,
    Condition,
    Division,
    Event,
    News,
    Remains,
    Report,
    Room,
    Story,
    Submission,
    What,
    Whom,
)
from dask_serverless.coordination.parts import STORED, Told, parts_in, stores
from dask_serverless.coordination.sizes import size_of
from dask_serverless.coordination.untold import Dead
from dask_serverless.coordination.watched import BATCH, added
from dask_serverless.errors import StoreFull
from dask_serverless.store.script import Script, script_of

if TYPE_CHECKING:
    from dask_serverless.store.link import Link

SPECS_AT_ONCE = 500  # in one HSET
EVENTS_AT_ONCE = 10_000


# What stands in front of each script. Every line counts: the server runs all of it at each call.
# And every number: as an argument of a call it is written out by printf with 17 digits, which takes as
# long as a short command. So those that are known are texts there.
CLAIMING = ("queues", "moving", "claims", "pace", "by_size")
SHARED = {
    "begin": ("keys", "expiry"),
    "withdraw": ("keys",),
    "claim": ("keys", "common", "held", *CLAIMING),
    "publish": ("keys", "common", *CLAIMING, "settling", "near"),
    "sweep": ("keys", "expiry", "common", "held", "untold", *CLAIMING),
    "split": ("keys", "common", *CLAIMING),
    "renew": ("keys", "common", "held"),
    "fail": ("keys", "common", "untold"),
    "interrupt": ("keys", "common", "untold"),
    "tell": ("keys", "common"),
    "close": ("keys", "expiry", "common"),
}


@cache
def script(name: str) -> Script:
    shared = [f"shared/{part}" for part in SHARED[name]]
    return script_of("dask_serverless.coordination", *shared, name)


_begun: WeakSet[Link] = WeakSet()  # links whose servers know how runs begin


def for_scripts(value: Any) -> bytes:
    """For cmsgpack, which reads raw strings."""
    return bytes(msgpack.packb(value, use_bin_type=False))


class RedisCoordination:
    def __init__(self, link: Link, run: str, epoch: str) -> None:
        self.link = link
        self.run = run
        self.epoch = epoch
        self.prefix = f"ds:{{{run}}}:"
        self.meta = self.prefix + "meta"
        self.begun = link.calls

    @property
    def calls(self) -> int:
        return self.link.calls - self.begun

    def submit(
        self,
        submission: Submission,
        before: Iterable[Command] = (),
        wait_seconds: float = 0.0,
        tasks: Sequence[int] = (),
    ) -> Story | None:
        beginning = self.beginning(submission)
        if self.link not in _begun:  # a server that lacks the script is sent it after all replies,
            self.link.call(beginning)  # of which the last one below may wait
            _begun.add(self.link)
        commands: list[Command] = [beginning, *self.content(submission)]
        if self.link.cluster:
            self.link.call(*before)  # other nodes': they must be there before anyone is told
        else:
            commands[:0] = before
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

    def beginning(self, submission: Submission) -> Command:
        shared = submission.bundles > 1 or bool(submission.blobs)
        return self.command(
            "begin", submission.live_seconds, int(shared), int(submission.slotted) * (1 + bool(submission.due)),
            submission.invited, "answer", submission.answer_ms,
            "total", submission.bundles, "lease", submission.lease_ms, "cap", submission.containers,
            "attempts", submission.attempts, *(("spread", "1") if submission.spread else ()),
            *(("pace", submission.pace.pack()) if submission.pace else ()),
            *(("sizes", " ".join(map(str, submission.sizes))) if submission.sizes else ()),
        )  # fmt: skip

    def content(self, submission: Submission) -> Iterator[Command]:
        """What the keys hold; the entry that containers wait for comes last."""
        key = self.prefix
        yield ("SET", key + "header", submission.header, "EX", submission.live_seconds)
        if submission.blobs:
            yield ("SADD", key + "trash", *submission.blobs)
        fields: list[Any] = []
        for bundle, spec in enumerate(submission.specs):
            fields += (bundle, spec)
        for first in range(0, len(fields), 2 * SPECS_AT_ONCE):
            yield ("HSET", key + "spec", *fields[first : first + 2 * SPECS_AT_ONCE])
        flexible: defaultdict[int, list[int]] = defaultdict(list)  # by slot: -1, -2, …
        for bundle, slot in submission.ready:
            if slot < 0:
                flexible[slot] += (bundle, bundle)
        for slot, bundles in flexible.items():
            yield ("ZADD", f"{key}ready{size_of(slot) or ''}", *bundles)
        if sum(map(len, flexible.values())) < 2 * len(submission.ready):
            yield from self.slotted(submission.ready)
        if submission.due:
            yield from self.patient(submission)
        yield ("XADD", key + "begun", "*", "b", "1")

    def slotted(self, ready: Sequence[tuple[int, int]]) -> list[Command]:
        """Nobody has a slot yet: all of them are free."""
        words: list[Any] = []
        slots: dict[int, int] = {}
        for bundle, slot in ready:
            if slot >= 0:
                words += (0, f"{slot:08x} {bundle:08x}")
                slots[slot] = slot
        free = [number for pair in slots.items() for number in pair]
        return [("ZADD", self.prefix + "queues", *words), ("ZADD", self.prefix + "free", *free)]

    def patient(self, submission: Submission) -> Iterator[Command]:
        """When each bundle should have begun, and what of it waits for containers now."""
        due, seconds = submission.due, submission.live_seconds
        yield ("SET", self.prefix + "due", struct.pack(f"<{len(due)}I", *due), "EX", seconds)
        words: defaultdict[int, list[Any]] = defaultdict(list)  # by size
        for bundle, slot in submission.ready:
            if slot >= 0 and due[bundle] < NEVER:
                words[size_of(slot)] += (due[bundle], f"{slot:08x} {bundle:08x}")
        for size, of_this in words.items():
            yield ("ZADD", f"{self.prefix}patience{size or ''}", *of_this)

    def withdraw(self) -> None:
        self.ask("withdraw")

    def interrupt(self) -> None:
        self.ask("interrupt")

    def claim(
        self,
        container: str,
        claim: str,
        *,
        slot: int | None = None,
        invited: bool = False,
        cold: bool = False,
        header: bool = False,
        early_seconds: float = 0.0,
        memory_mb: int = 0,
        wanted_mb: int = 0,
    ) -> Answer:
        came = int(invited) + int(invited and cold)
        wish: tuple[Any, ...] = ("" if slot is None else slot, came, int(header), memory_mb)
        if wanted_mb:
            wish += (wanted_mb,)
        commands: list[Command] = [self.command("claim", container, claim, *wish)]
        if early_seconds:  # the claim follows in the same batch: no round trip in between
            wait = ("BLOCK", int(1000 * early_seconds), "STREAMS", self.prefix + "begun", "0-0")
            commands.insert(0, ("XREAD", *wait))
        reply = self.link.call(*commands, wait_seconds=early_seconds)[-1]
        return answer(reply, *reply[3:])

    def publish(
        self,
        container: str,
        report: Report,
        following: str,
        before: Iterable[Command] = (),
        held: Sequence[Report] = (),
    ) -> Answer:
        blobs = list(before)
        stored = (
            [command[1] for command in blobs if stores(command)] if not self.link.cluster else []
        )
        publish = self.command(
            "publish",
            container,
            report.bundle,
            report.claim,
            following,
            for_scripts(report.outputs),
            report.children,
            report.releases,
            report.event,
            for_scripts(report.deleted) if report.deleted else b"",
            for_scripts(stored) if stored else b"",
            *((for_scripts(in_memory(report, held)),) if report.near or held else ()),
        )
        if report.shown:
            blobs.append(added(self.run, BATCH, report.shown))
        try:
            reply = self.link.call(*blobs, publish)[-1]
        except StoreFull:
            self.link.close()  # the server holds what it refused as long as the connection lives
            raise
        told = answer(reply)
        if len(reply) <= 3:
            return told
        return replace(told, released=reply[3], held=[int(bundle) for bundle in reply[4]])

    def fail(
        self,
        container: str,
        bundle: int,
        claim: str,
        error: bytes,
        before: Iterable[Command] = (),
    ) -> Answer:
        fail = self.command("fail", container, bundle, claim, error)
        return answer(self.link.call(*before, fail)[-1])

    def renew(self, container: str, bundle: int, claim: str, tight: str = "") -> Answer:
        return answer(self.ask("renew", container, bundle, claim, *((tight,) if tight else ())))

    def split(
        self, container: str, bundle: int, claim: str, division: Division | None = None
    ) -> Room:
        told: tuple[Any, ...] = ()
        if division is not None:
            parts, uses = for_scripts(list(division.parts)), for_scripts(list(division.uses))
            told = (division.first, division.kept, parts, uses)
        reply = self.ask("split", container, bundle, claim, *told)
        if (status := reply[0].decode()) != OK:
            return Room(status)
        containers, bundles, divided, asked = reply[1:]
        return Room(OK, containers, bundles, divided == b"1", invitations(asked))

    def tell(self, bundle: int, claim: str, progress: bytes) -> Answer:
        return answer(self.ask("tell", bundle, claim, progress))

    def show(self, batch: bytes) -> None:
        self.link.call(added(self.run, BATCH, batch))

    def sweep(
        self,
        gone: Sequence[Dead],
        live_seconds: int,
        wait_seconds: float = 0.0,
        outgrown: Sequence[str] = (),
    ) -> Condition:
        told = [part for dead in gone for part in dead]
        small = (for_scripts(list(outgrown)),) if outgrown else ()
        commands = [self.command("sweep", for_scripts(told), live_seconds, *small)]
        if wait_seconds:
            commands.insert(0, self.reading("end", "0-0", wait_seconds))
        reply = self.link.call(*commands, wait_seconds=wait_seconds)[-1]
        status = reply[0].decode()
        if status == OK:
            done, asked, working = reply[1:]
            return Condition(OK, done=done, invitations=invitations(asked), working=working)
        if status == OVER:
            return Condition(OVER, why=reply[1].decode(), error=reply[2])
        return Condition(LOST)

    def say(self, batch: bytes) -> None:
        self.link.call(said.added(self.run, batch))

    def news(
        self, last: str, wait_seconds: float, rest_seconds: float = 0.0, last_said: str = ""
    ) -> News:
        commands = [self.reading("events", last, wait_seconds, last_said)]
        if rest_seconds:
            commands.insert(0, self.reading("end", "0-0", rest_seconds))
        reply = self.link.call(*commands, wait_seconds=wait_seconds + rest_seconds)[-1]
        events: list[Any] = []
        lines: list[Any] = []
        for stream, entries in reply or ():
            (lines if stream == said.said_key(self.run).encode() else events).extend(entries)
        return News(
            events[-1][0].decode() if events else last,
            happened(events),
            lines[-1][0].decode() if lines else last_said,
            [fields[1] for _, fields in lines if fields[0] == said.BATCH],
        )

    def reading(self, stream: str, last: str, wait_seconds: float, last_said: str = "") -> Command:
        block = ("BLOCK", max(1, int(wait_seconds * 1000))) if wait_seconds > 0 else ()
        streams, places = [self.prefix + stream], [last]
        if last_said:
            streams.append(said.said_key(self.run))
            places.append(last_said)
        return ("XREAD", "COUNT", 1000, *block, "STREAMS", *streams, *places)

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

    def probe(self) -> None:
        """Raise what the store has against a small write, if anything."""
        self.link.call(("SET", self.prefix + "probe", "", "PX", 1))

    def header(self) -> bytes:
        return self.link.call(("GET", self.prefix + "header"))[0] or b""

    def references(self) -> list[bytes]:
        outputs, trash = self.link.call(
            ("HVALS", self.prefix + "out"), ("SMEMBERS", self.prefix + "trash")
        )
        return [r for r in (*outputs, *trash) if r and r[:1] != LOCAL]

    def outputs(self, tasks: Sequence[int]) -> list[bytes | None]:
        return list(self.link.call(("HMGET", self.prefix + "out", *tasks))[0]) if tasks else []

    def parts(self, last: str, wait_seconds: float) -> Told:
        reply = self.link.call(self.reading("parts", last, wait_seconds), wait_seconds=wait_seconds)
        entries = reply[0][0][1] if reply[0] else []
        told = [fields[1] for _, fields in entries if fields[0] == STORED]
        return Told(
            entries[-1][0].decode() if entries else last,
            [part for each in told for part in parts_in(each)],
        )

    def write(self, before: Sequence[Command]) -> None:
        try:
            self.link.call(*before)
        except StoreFull:
            self.link.close()  # the server holds what it refused as long as the connection lives
            raise

    def forget(self) -> None:
        self.link.post(self.command("close"))

    def close(self) -> Remains:
        reply = self.ask("close")
        if reply[0] != b"ok":
            return Remains()
        references, claims = ([value for value in told if value] for told in reply[1:])
        return Remains(references, [claim.decode() for claim in claims])

    def ask(self, name: str, *arguments: Any) -> Any:
        return self.link.call(self.command(name, *arguments))[0]

    def command(self, name: str, *arguments: Any) -> Command:
        return self.link.script(script(name), [self.meta], [self.epoch, *arguments])


def in_memory(report: Report, held: Sequence[Report]) -> list[list[Any]]:
    """What the script is told where outputs stay in the container's memory."""
    first = ["1" if report.patient else "", report.near, list(report.beside), report.after]
    others = (
        [each.bundle, each.claim, for_scripts(each.outputs), each.children, each.releases,
         each.event, "1" if each.patient else "", each.near]
        for each in held
    )  # fmt: skip
    return [first, *others]


def happened(entries: Any) -> list[Event]:
    return [Event(What(f[0].decode()), f[1], at(name), *makespan(f[3:])) for name, f in entries]


def at(name: bytes) -> float:
    """When an entry of a stream was made: its name begins with the milliseconds."""
    return int(name.partition(b"-")[0]) / 1e3


def makespan(told: Sequence[bytes]) -> Iterator[float]:
    return (int(microseconds) / 1e6 for microseconds in told)


def answer(reply: Any, header: bytes = b"") -> Answer:
    status = reply[0].decode()
    if status == OVER:
        return Answer(OVER, why=reply[1].decode())
    if status == OK and len(reply) > 1:
        return Answer(OK, assignment(reply[1]), invitations(reply[2]), header)
    return Answer(status)


def assignment(reply: Any) -> Assignment | None:
    if not reply:
        return None
    bundle, spec, inputs, makers = reply
    return Assignment(
        int(bundle), spec, inputs, [Assignment(int(m[0]), m[1], m[2]) for m in makers]
    )


def invitations(reply: Any) -> list[Whom]:
    return [Whom.unpack(words.decode()) for words in reply]
