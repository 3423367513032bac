"""An error on its way to the client: packed where it happened, raised where it is waited for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgpack
import numpy as np

from dask_serverless.blobs.blobs import Blobs
from dask_serverless.errors import BlobLost, RunDamaged, TaskExited
from dask_serverless.worker.blame import Blame
from dask_serverless.worker.exceptions import Apart, ExceptionParts
from dask_serverless.worker.lost import bundle_lost
from dask_serverless.worker.remade import Remade, note
from dask_serverless.worker.said import Spoke
from dask_serverless.worker.told import Used
from planners.graph.arrays import Ids
from planners.graph.dag import Dag

STORED = b"\x92\xa6stored"  # how the packed pair ("stored", reference) starts


@dataclass(frozen=True)
class Failure:
    """What happened in a container, in a form that any version can read."""

    blame: dict[str, Any]  # of Blame
    chain: list[dict[str, Any]]  # of ExceptionParts: what arrived, and all that it refers to
    container: str
    bundle: int
    spoke: Sequence[Any] | None = None  # what is known of its voice, if anybody listens
    used: Used | None = None  # since it told of a bundle; None: it told a moment ago

    def pack(self) -> bytes:
        return bytes(msgpack.packb(["raised", asdict(self)], unicode_errors="surrogatepass"))

    @staticmethod
    def unpack(told: dict[str, Any]) -> Failure:
        used = told.get("used")
        return Failure(**{**told, "used": None if used is None else Used(*used)})


def pack_failure(
    error: BaseException,
    blame: Blame,
    *,
    container: str,
    bundle: int,
    spoke: Spoke | None = None,
    used: Used | None = None,
) -> bytes:
    """Pack an error of a task, or of what was to be done for it."""
    return Failure(
        blame=vars(blame),
        chain=[vars(parts) for parts in Apart().of(error)],
        container=container,
        bundle=bundle,
        spoke=spoke,
        used=used,
    ).pack()


def as_exit(error: BaseException, function: str) -> BaseException:
    """What would end the client's process too arrives as an ordinary error."""
    if not isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit):
        return error
    shown = f"{type(error).__name__}({', '.join(map(repr, error.args))})"
    return TaskExited(function, shown).with_traceback(error.__traceback__)


def stored_at(reference: bytes) -> bytes:
    """In the place of a failure that is too large for the store's own keys: where it is."""
    return bytes(msgpack.packb(["stored", reference]))


def whole(data: bytes, blobs: Blobs) -> bytes:
    """The failure itself, wherever it is."""
    if data.startswith(STORED):
        _, reference = msgpack.unpackb(data)
        data = blobs.get([reference])[0]
    return data


def told_of(data: bytes) -> Failure | None:
    """What the container that failed tells; None: it is gone, or it was the store that did."""
    what, *details = unpacked(data)
    return Failure.unpack(details[0]) if what == "raised" else None


def unpacked(data: bytes) -> list[Any]:
    return list(msgpack.unpackb(data, unicode_errors="surrogatepass", strict_map_key=False))


def unpack_failure(data: bytes, dag: Dag, tasks_of: Callable[[int], Ids]) -> BaseException:
    """The exception to raise at the client, which knows what the numbers of tasks mean."""
    what, *details = unpacked(data)
    if what == "lost":
        bundle, tries, story = details
        return bundle_lost(tries, story, tasks_of(bundle), dag)
    if what == "damaged":
        return RunDamaged(*details)
    failure = Failure.unpack(details[0])
    blame = Blame(**failure.blame)
    error = Remade([ExceptionParts(**parts) for parts in failure.chain]).first()
    return explained(error, blame, dag, f" in container {failure.container}")


def explained(error: BaseException, blame: Blame, dag: Dag, place: str = "") -> BaseException:
    """The error with a note on what was under way; an error about a blob with the key."""
    if isinstance(error, BlobLost) and blame.source >= 0:
        error = BlobLost(error.name, error.problem, dag.labels[blame.source])
    told = where(blame, dag)
    if told:
        note(error, f"while {told}{place}")
    if blame.tries:
        note(error, in_turn(blame.tries))
    return error


def in_turn(tries: Sequence[str]) -> str:
    """What came of each attempt, the last one's error being the one that is raised."""
    listed = "".join(f"\n  {number}. {told}" for number, told in enumerate(tries, 1))
    return f"tried {len(tries)} times:{listed}"


def where(blame: Blame, dag: Dag) -> str:
    """The task, its function and its key, in words."""
    task = blame.task
    if task < 0 and blame.function >= 0:  # one of those that use the function
        users = np.flatnonzero(dag.functions == blame.function)
        task = int(users[0]) if len(users) else -1
    function = blame.function if blame.function >= 0 or task < 0 else dag.functions[task]
    if function < 0:
        return ""
    other = blame.source not in (-1, task)
    source = f", made by the key {dag.labels[blame.source]!r}," if other else ""
    key = f" for the key {dag.labels[task]!r}" if task >= 0 else ""
    return f"{blame.doing} {dag.function_names[function]}{source}{key}"
