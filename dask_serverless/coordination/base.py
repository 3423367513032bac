"""The interface of a run's coordination, and the values that cross it.

State only moves forward: waiting → ready → running → done | failed. Every call may be repeated.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from dask_serverless.blobs.base import Command
from dask_serverless.coordination.parts import Told
from dask_serverless.coordination.resizing import Pace
from dask_serverless.coordination.untold import Dead
from dask_serverless.errors import NotAuthentic

OK, LOST, OVER, FENCED = "ok", "lost", "over", "fenced"

ANSWER_MS = 2000  # how long containers that are known to come may take to answer
NEVER = 2**32 - 1  # no bundle is due so late: 49 days
LOCAL = b"l"  # in the place of a reference: "l<bundle>", an output that only memory had


def maker(reference: bytes | None) -> int | None:
    """The bundle that has to run again for this output, unless somebody still has it in memory."""
    return int(reference[1:]) if reference and reference[:1] == LOCAL else None


def inputs_named(spec: bytes) -> tuple[int, ...]:
    """The tasks whose outputs a bundle takes: the store reads them, too."""
    (count,) = struct.unpack_from("<I", spec, 4)
    return struct.unpack_from(f"<{count}I", spec, 8)


@dataclass(frozen=True)
class Submission:
    """All that the store must hold before the first container is invoked."""

    epoch: str
    bundles: int
    containers: int  # how many may work on the run at once
    lease_ms: int
    attempts: int
    live_seconds: int  # how long its keys outlive the last look of a client
    header: bytes
    specs: Sequence[bytes]  # by bundle
    blobs: Sequence[bytes]  # references that go with the run: functions, large constants
    ready: Sequence[tuple[int, int]]  # bundles without inputs, with their slots
    slotted: bool = False  # whether any bundle has a slot
    spread: bool = False  # whether containers begin far from each other, since neighbours meet
    due: Sequence[int] = ()  # by bundle: how many ms after the submission it should have begun at
    # the latest, or NEVER; what waits for its slot's container any longer is anyone's
    sizes: Sequence[int] = ()  # of containers' memory in MiB, smallest first, if there are several
    pace: Pace | None = None  # that it has to keep in the sizes that were planned
    invited: int = 0  # containers that were asked for already, of the smallest size
    answer_ms: int = ANSWER_MS  # an invitation that nobody answered for so long was lost


@dataclass(frozen=True)
class Whom:
    """Whom to invite for a ready bundle: any container, or the one that has its slot."""

    slot: int | None = None
    container: str = ""
    memory_mb: int = 0  # what it must have at least, where there are several sizes

    @staticmethod
    def unpack(words: str) -> Whom:
        """From the scripts' words: "" for any container, else "slot container" and its memory."""
        slot, _, told = words.partition(" ")
        container, _, memory = told.partition(" ")
        return Whom(int(slot) if slot else None, container, int(memory or 0)) if words else ANYONE


ANYONE = Whom()


@dataclass(frozen=True)
class Assignment:
    """A bundle, claimed."""

    bundle: int
    spec: bytes
    inputs: Sequence[bytes | None]  # references, in the order in which the spec names the tasks
    makers: Sequence[Assignment] = ()  # what makes local inputs, where another container had them
    refused: NotAuthentic | None = None  # why nothing of it may be used


@dataclass(frozen=True)
class Report:
    """What a container says of a bundle that it finished."""

    bundle: int
    claim: str
    outputs: Sequence[bytes | int]  # task, reference, task, reference, …
    children: bytes  # as the spec has them, packed
    releases: bytes
    event: bytes
    deleted: Sequence[bytes] = ()  # references released before, whose blobs are gone now
    shown: bytes = b""  # a batch for whoever watches
    near: bytes = b""  # children for which outputs stay in memory, packed: only if this very call
    # hands one of them to the container, its edges count
    patient: bool = False  # whether the others may wait while the container does something else
    beside: Sequence[int] = ()  # bundles that it had rather do then: theirs are the other inputs
    after: int = -1  # else the next one after this


@dataclass(frozen=True)
class Division:
    """What of a bundle under way stays with its container, and what goes to others."""

    kept: bytes  # its spec from now on
    parts: Sequence[bytes]  # specs of bundles of their own, without a slot
    first: int  # the number of the first of these: as many bundles as there are
    uses: Sequence[int]  # task, how many more bundles take its output than before, …


@dataclass(frozen=True)
class Room:
    """What the store says to whoever would divide a bundle, or has."""

    status: str  # OK, LOST, OVER or FENCED
    containers: int = 0  # that could work on the run beside those that do, or will
    bundles: int = 0  # of the run
    divided: bool = False
    invitations: Sequence[Whom] = ()


@dataclass(frozen=True)
class Answer:
    """What the store says to a container."""

    status: str  # OK, LOST, OVER or FENCED
    assignment: Assignment | None = None
    invitations: Sequence[Whom] = ()
    header: bytes = b""
    released: Sequence[bytes] = ()
    why: str = ""  # with OVER: done or failed
    held: Sequence[int] = ()  # bundles of the call that are not done: some of their edges wait


@dataclass(frozen=True)
class Condition:
    """What the client learns when it looks after its run."""

    status: str
    done: int = 0
    invitations: Sequence[Whom] = ()
    why: str = ""
    error: bytes = b""
    working: int = 0  # containers


class What(Enum):
    """What an event tells; the letters are those of the store's stream."""

    FINISHED = "e"  # a bundle
    PROGRESS = "p"  # tasks of a bundle under way
    MOVED = "m"  # a bundle, from its slot to a container that had time for it
    SPLIT = "s"  # a bundle under way: others have parts of it
    RESIZED = "r"  # the run: what has not begun goes to containers of another size
    UNTOLD = "u"  # a container that is gone has taken more than it told of
    FAILED = "f"  # the run


@dataclass(frozen=True)
class Event:
    """Something that the client waits for."""

    what: What
    payload: bytes
    at: float = field(default=0.0, compare=False)  # seconds, by the store's clock
    makespan: float = field(default=0.0, compare=False)  # the last one's: since the submission


@dataclass(frozen=True)
class Story:
    """What the client learns of a run that is over: its events, and references of outputs."""

    events: Sequence[Event]
    outputs: Sequence[bytes | None] = ()  # none if the only event tells them


@dataclass(frozen=True)
class News:
    """Events, and where to go on reading."""

    last: str
    events: Sequence[Event] = field(default=())
    last_said: str = ""
    said: Sequence[bytes] = ()  # batches of lines that tasks have printed


@dataclass(frozen=True)
class Remains:
    """What a run leaves outside its own keys."""

    references: Sequence[bytes] = ()
    claims: Sequence[str] = ()  # lost ones: they may have written blobs and announced none


class Coordination(Protocol):
    """One run, seen by one party (a container, or the client), over one store."""

    run: str
    epoch: str

    @property
    def calls(self) -> int:
        """Round trips to the store so far: what reports count."""

    def submit(
        self,
        submission: Submission,
        before: Iterable[Command] = (),
        wait_seconds: float = 0.0,
        tasks: Sequence[int] = (),
    ) -> Story | None:
        """Store the run, and wait for its end in the same round trip: how it went, if it is over.

        Safe to repeat even when containers work on the run already. ``before`` are the commands
        that write the blobs which go with the run.
        """

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
        """Ask for a bundle; with ``header``, also for what each container needs once.

        A container invited early waits up to ``early_seconds`` for the run to be submitted. It
        says whether it was born for this, and how much memory it has: so much is known of it,
        should it be lost. In a run with several sizes it also says what it was invited to have.
        """

    def publish(
        self,
        container: str,
        report: Report,
        following: str,
        before: Iterable[Command] = (),
        held: Sequence[Report] = (),
    ) -> Answer:
        """Finish a bundle and claim the next one as ``following`` ("" for none).

        ``before`` are the commands that write its blobs, ``held`` what the container says of
        bundles that it held back before. A bundle is done once no child of it is left in ``near``.
        """

    def fail(
        self,
        container: str,
        bundle: int,
        claim: str,
        error: bytes,
        before: Iterable[Command] = (),
    ) -> Answer:
        """A task raised: end the run, if the claim still holds."""

    def renew(self, container: str, bundle: int, claim: str, tight: str = "") -> Answer:
        """Say that the container is alive; ``tight``: how much memory it has in use, if that is
        nearly all. Should nothing be heard of it any more, that is taken for the reason.
        """

    def split(
        self, container: str, bundle: int, claim: str, division: Division | None = None
    ) -> Room:
        """Hand parts of a bundle under way to others; without a division: whether that is any use.

        Nothing happens unless its parts are numbered from the bundles that there are.
        """

    def tell(self, bundle: int, claim: str, progress: bytes) -> Answer:
        """Tell whoever watches which tasks of a bundle under way are done."""

    def show(self, batch: bytes) -> None:
        """Leave a batch for whoever watches, apart from any other call."""

    def sweep(
        self,
        gone: Sequence[Dead],
        live_seconds: int,
        wait_seconds: float = 0.0,
        outgrown: Sequence[str] = (),
    ) -> Condition:
        """Put back what lost containers and ended leases left; before, wait for the run's end.

        The container "*" stands for all of them, and for the invitations that they did not answer;
        "" stands for one that was asked for and will not come.
        What they took after they had told of something last is noted, by the store's clock. Those
        ``outgrown`` had not enough memory: if there is a larger size than theirs, the run goes on
        with that.
        """

    def say(self, batch: bytes) -> None:
        """Leave lines that tasks have printed, for the client."""

    def news(
        self, last: str, wait_seconds: float, rest_seconds: float = 0.0, last_said: str = ""
    ) -> News:
        """What happened after ``last``, and was said after ``last_said`` ("" where nobody listens),
        waiting for either if need be.

        Before, rest for so long unless the run ends: what happens meanwhile comes in one go.
        """

    def story(self, tasks: Sequence[int]) -> Story:
        """All events so far, and references of these tasks' outputs."""

    def probe(self) -> None:
        """Raise what the store has against a small write, if anything."""

    def header(self) -> bytes:
        """What each container of the run needs once; empty if the store has no such run."""

    def references(self) -> list[bytes]:
        """Where all of the run's blobs are that somebody may still need."""

    def outputs(self, tasks: Sequence[int]) -> list[bytes | None]:
        """References of outputs."""

    def parts(self, last: str, wait_seconds: float) -> Told:
        """Parts of outputs that have been stored after ``last``, waiting for one if need be."""

    def write(self, before: Sequence[Command]) -> None:
        """Carry out commands that write blobs, apart from the call that will announce these."""

    def withdraw(self) -> None:
        """The run will not be submitted: those who wait for it need not."""

    def interrupt(self) -> None:
        """The client gives the run up: note what containers at work took of it until now."""

    def forget(self) -> None:
        """Close without waiting, where nothing outside the store's keys has to be known."""

    def close(self) -> Remains:
        """Forget the run; what is still to be deleted elsewhere."""
