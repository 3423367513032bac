"""What the client, the nursery, the keeper and containers of this host tell one another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dask_serverless.backends.base import Loss
from dask_serverless.blobs.lock import Lock
from dask_serverless.worker.invitation import Invitation

# From the client to the nursery


@dataclass(frozen=True)
class Opening:
    """The first message: what the nursery needs to know."""

    name: str
    containers: int
    memory_bytes: int
    idle_seconds: float
    lease_seconds: float
    attempts: int
    folders: Sequence[str]  # to be removed when the client is gone
    path: Sequence[str]  # the client's sys.path
    modules: Sequence[str]  # to be imported before containers are born
    own: Mapping[str, list[Any]]  # those that the user may edit, and what they are made from
    owned: bool = True  # by the client: the end of the connection is its end, and that of its runs
    memory_mb: int = 0  # that its platform gives it, where no group of processes says so
    secret: str = field(default="", repr=False)  # what containers sign with; "": nothing is signed
    spares: str = ""  # a folder for files that containers keep beside those; "": none
    pooled: bool = False  # one of several nurseries: whoever has them all hands out invitations


@dataclass(frozen=True)
class Import:
    """The client has imported these meanwhile."""

    modules: Sequence[str]


@dataclass(frozen=True)
class Own:
    """The client has loaded modules of its own, some of them perhaps once more."""

    own: Mapping[str, list[Any]]
    reloaded: Sequence[str]


@dataclass(frozen=True)
class Stop:
    """Free the containers that work on this run."""

    run: str


@dataclass(frozen=True)
class Over:
    """These runs have left nothing."""

    runs: Sequence[str]


@dataclass(frozen=True)
class Others:
    """Whether invitations wait elsewhere for a container that takes its turn with another run."""

    wait: bool


@dataclass(frozen=True)
class Peers:
    """The other containers of the pool, for those that are to invite one another."""

    places: Mapping[str, tuple[str, int]]  # name → its address, and its memory in MiB


# From the client or a container to the nursery; from a pooled nursery to whoever has them all


@dataclass(frozen=True)
class Invite:
    """Somebody is to work on a run."""

    invitation: Invitation


# From the nursery to a container, and to a pooled nursery


@dataclass(frozen=True)
class Work:
    """Work on a run."""

    invitation: Invitation


@dataclass(frozen=True)
class Leave:
    """There was no work for a long time, or the platform wants its room back."""

    why: str = "its platform has ended it"  # for those who hear of a process at work


# From a container to the nursery, and on to the client


@dataclass(frozen=True)
class Idle:
    """It is done with what it was invited for."""

    too_early: bool = False  # it was called away before the run began


@dataclass(frozen=True)
class Trouble:
    """It is well, but cannot reach the store."""

    run: str
    why: str


@dataclass(frozen=True)
class Divert:
    """These descriptors of the container's are the reading ends of its standard output and error."""

    files: Sequence[int]


@dataclass(frozen=True)
class Outgrown:
    """A task ran out of memory, and its container waits to be ended: a larger one is to have it."""

    why: str


# From the nursery to the client


@dataclass(frozen=True)
class Proven:
    """A container has been given its first bundle."""


@dataclass(frozen=True)
class Working:
    """A pooled nursery has sent this container to work."""

    run: str
    container: str


@dataclass(frozen=True)
class Resting:
    """A pooled nursery has nothing to do."""


@dataclass(frozen=True)
class Gone:
    """A container is gone that was at work."""

    run: str
    container: str
    why: str
    claimed: bool  # whether it had been given a bundle since it was invited
    words: str  # the last lines of its standard error
    out_of_memory: bool = False  # the kernel took it at its group's limit
    cpu_seconds: float = 0.0  # that it had not told of
    peak_bytes: int = 0

    @property
    def loss(self) -> Loss:
        return Loss(
            self.container, self.why, self.claimed, self.words, out_of_memory=self.out_of_memory,
            cpu_seconds=self.cpu_seconds, peak_bytes=self.peak_bytes,
        )  # fmt: skip


@dataclass(frozen=True)
class Unable:
    """There is work, but no container can be born."""

    run: str
    why: str


@dataclass(frozen=True)
class Refused:
    """A setting that no container can keep."""

    setting: str
    problem: str


@dataclass(frozen=True)
class Stopped:
    """No container works on this run any more."""

    run: str


# Between the nursery and the keeper


@dataclass(frozen=True)
class Keeping:
    """The keeper has come up: from now on it renews."""


@dataclass(frozen=True)
class Free:
    """A dead container's locks."""

    store: str = field(repr=False)  # URL, with its password
    locks: Sequence[Lock]


@dataclass(frozen=True)
class Lost:
    """A container's claim or lock no longer holds, or it stands still."""

    page: int
    pid: int
    claim: str
    why: str
    stopped: bool  # then no signal reaches it


Message = (
    Opening | Import | Own | Stop | Over | Others | Peers | Invite | Work | Leave | Idle | Trouble | Divert
    | Outgrown | Proven | Working | Resting | Gone | Unable | Refused | Stopped | Keeping | Free | Lost
)  # fmt: skip

KINDS: dict[str, Any] = {kind.__name__: kind for kind in Message.__args__}


def bare(message: Message) -> Message:
    """Without the store's URL, which may have a password, for connections that others may read."""
    if not isinstance(message, Invite):
        return message
    return Invite(replace(message.invitation, store=""))


ENCODE = json.JSONEncoder(default=vars).encode  # made once: that takes longer than to use it


def line_of(message: Message) -> bytes:
    """One line; a path that is no UTF-8 travels as it is, in escapes."""
    return ENCODE([type(message).__name__, vars(message)]).encode() + b"\n"


def message_of(line: bytes) -> Message:
    kind, fields = json.loads(line)
    if "invitation" in fields:
        fields["invitation"] = Invitation(**fields["invitation"])
    if "locks" in fields:
        fields["locks"] = [Lock(**lock) for lock in fields["locks"]]
    message: Message = KINDS[kind](**fields)
    return message
