"""An error on its way to the client: packed where it happened, raised where it is waited for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import msgpack

from dask_serverless.errors import BundleLost, TaskExited
from dask_serverless.worker.exceptions import Apart, PackedException
from dask_serverless.worker.remade import Remade, note


@dataclass(frozen=True)
class Failure:
    """What happened in a container, in a form that any version can read."""

    task: int  # -1: not in one task
    function: str
    chain: list[dict[str, Any]]  # of PackedException: what arrived, and all that it refers to
    container: str
    bundle: int

    def pack(self) -> bytes:
        return bytes(msgpack.packb(["raised", asdict(self)], unicode_errors="surrogatepass"))


def pack_failure(
    error: BaseException, *, task: int, function: str, container: str, bundle: int
) -> bytes:
    """Pack an error of a task, or of what was to be done for it."""
    if isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit):
        error = _as_exit(error, function)
    return Failure(
        task=task,
        function=function,
        chain=[vars(packed) for packed in Apart().of(error)],
        container=container,
        bundle=bundle,
    ).pack()


def _as_exit(error: BaseException, function: str) -> TaskExited:
    shown = f"{type(error).__name__}({', '.join(map(repr, error.args))})"
    return TaskExited(function, shown).with_traceback(error.__traceback__)


def unpack_failure(data: bytes, label: Any) -> BaseException:
    """The exception to raise at the client. ``label`` turns a task's number into its key."""
    what, *details = msgpack.unpackb(data, unicode_errors="surrogatepass", strict_map_key=False)
    if what == "lost":
        bundle, tries, why = details
        return BundleLost(bundle, tries, why)
    failure = Failure(**details[0])
    error = Remade([PackedException(**packed) for packed in failure.chain]).first()
    if failure.task >= 0:
        key = label(failure.task)
        note(error, f"while running {failure.function} for the key {key!r} "
                    f"in container {failure.container}")  # fmt: skip
    return error
