"""Constants: what a run's tasks take besides outputs, in bundles or in blobs by their size."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dask_serverless.blobs.base import Command
from dask_serverless.blobs.blobs import INLINE, Blobs
from dask_serverless.blobs.frames import framed, join, size
from dask_serverless.blobs.lock import StoreLock
from dask_serverless.errors import FutureInGraph, InputNotPicklable
from dask_serverless.translation.astray import is_future
from dask_serverless.translation.translate import Translation
from dask_serverless.worker.bundle import SPEC_BYTES, apart
from dask_serverless.worker.execute import owner
from dask_serverless.worker.names import function_name
from dask_serverless.worker.table import FunctionFailed, pickle_table

HOIST_BYTES = 64 << 10  # a larger constant is stored once, and bundles refer to it
# Constants of exactly these types go into bundles as they are: small, and safe to pickle plainly.
SCALARS = {
    int, float, complex, bool, type(None), slice, type(Ellipsis), np.dtype,
    np.float64, np.float32, np.int64, np.int32, np.bool_, np.uint8, np.str_,
}  # fmt: skip
LOCK = type(threading.Lock())
CONTAINERS = {tuple, list, set, frozenset, dict}
CLASSES = SCALARS | CONTAINERS | {str, bytes, object}  # dtype=float, and such
LEVELS = 16  # of containers within containers: deeper ones are pickled, by themselves
LONG = 256  # characters, bytes or elements: longer ones are pickled, so that their size is known


@dataclass
class Constants:
    """Sorts constants: into each bundle as they are, pickled into each, or stored once."""

    translation: Translation
    blobs: Blobs
    run: str
    plain: set[int] = field(default_factory=set)
    pickled: dict[int, bytes] = field(default_factory=dict)
    hoisted: dict[int, bytes] = field(default_factory=dict)
    by_content: dict[bytes, bytes] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    specs: list[bytes] = field(default_factory=list)

    def keep_apart(self, specs: list[bytes]) -> None:
        """Put where blobs are what the store itself does not read of large specs."""
        for bundle, packed in enumerate(specs):
            if len(packed) > SPEC_BYTES:
                front, rest = apart(packed)
                stored = self.blobs.large.put(f"{self.run}/spec-{bundle}", join(rest, []))
                self.commands += stored.commands
                self.specs.append(stored.reference)
                specs[bundle] = front + stored.reference

    def of(self, names: set[int]) -> tuple[dict[int, Any], dict[int, bytes], dict[int, bytes]]:
        plain: dict[int, Any] = {}
        pickled: dict[int, bytes] = {}
        hoisted: dict[int, bytes] = {}
        values = self.translation.constants
        for name in names:
            value = values[name]
            if type(value) in SCALARS:  # most are
                plain[name] = value
                continue
            if name not in self.plain and name not in self.pickled and name not in self.hoisted:
                self.sort(name, value)
            if name in self.plain:
                plain[name] = value
            elif name in self.pickled:
                pickled[name] = self.pickled[name]
            else:
                hoisted[name] = self.hoisted[name]
        return plain, pickled, hoisted

    def sort(self, name: int, value: Any) -> None:
        if is_plain(value):
            self.plain.add(name)
            return
        if type(value) is LOCK:  # of da.store in older Dask: it must hold across containers
            value = StoreLock(f"{self.run}-{name}")
        try:
            frames = framed(value)
        except Exception as error:
            if is_future(getattr(value, "key", None)):  # Dask leaves alone the argument of a call
                raise FutureInGraph(value.key) from error
            raise InputNotPicklable(
                self.whose(name), f"{type(value).__name__}", str(error)
            ) from error
        if size(frames) <= HOIST_BYTES:
            self.pickled[name] = INLINE + b"".join(frames)
            return
        digest = hashlib.sha1(usedforsecurity=False)
        for frame in frames:
            digest.update(frame)
        content = digest.digest()
        if content not in self.by_content:
            place = f"{self.run}/constant-{content.hex()}"
            stored = self.blobs.put_frames(place, frames)
            self.by_content[content] = stored.reference
            self.commands += stored.commands
        self.hoisted[name] = self.by_content[content]

    def functions(self) -> bytes:
        """The table of functions, pickled in one go so that what they share is sent once."""
        try:
            table = pickle_table(self.translation.functions)
        except FunctionFailed as failed:
            raise self.not_picklable(failed) from failed.__cause__
        stored = self.blobs.put(f"{self.run}/functions", table)
        self.commands += stored.commands
        return stored.reference

    def not_picklable(self, failed: FunctionFailed) -> InputNotPicklable:
        name = function_name(self.translation.functions[failed.index])
        return InputNotPicklable(
            self.user_of(failed.index), f"function {name}", str(failed.__cause__)
        )

    def user_of(self, function: int) -> Any:
        """The key of the first task that calls a function, be it within a fused task."""
        translation = self.translation
        for place, step in enumerate(translation.steps):
            if step[1] == function:
                task = owner(translation.steps[place:], step[0])
                return translation.dag.labels[task]
        return None

    def whose(self, name: int) -> Any:
        """The key of the first task that uses a constant."""
        labels = self.translation.dag.labels
        for task, names in self.translation.constants_of.items():
            if name in names:
                return labels[task]
        return None


def is_plain(value: Any, levels: int = LEVELS) -> bool:
    kind = type(value)
    if kind in SCALARS:
        return True
    if kind is str or kind is bytes:
        return len(value) <= LONG
    if kind is type:
        return value in CLASSES
    if kind not in CONTAINERS or len(value) > LONG or not levels:
        return False
    if kind is dict and not all(is_plain(part, levels - 1) for part in value.values()):
        return False
    return all(is_plain(part, levels - 1) for part in value)
