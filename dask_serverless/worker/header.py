"""What each container of a run needs once: functions, storage, folders, versions."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

import dask
import msgpack

import dask_serverless
from dask_serverless.blobs.storage import Storage
from dask_serverless.errors import VersionsDiffer

HEADERS_KNOWN = 8  # each with a table of functions, unless that is large


@dataclass(frozen=True)
class Header:
    """Packed with msgpack, so that a container of another version can still read the versions."""

    functions: bytes  # the table of functions, or where it is: a reference
    storage: Storage
    lease_seconds: float
    observe: bool = False  # whether each task is timed, for Dask's callbacks
    progress: bool = False  # and told while its bundle still runs
    local_outputs: bool = True  # whether containers see for themselves what may stay in memory
    delayed_io: bool = True  # whether they hold outputs back for as long as storing them takes
    measure: bool = False  # whether tasks and transfers are measured, for the history
    kinds: int = 0  # of tasks that there are to be measured
    rhythm: Sequence[float] | None = None  # how often whoever watches is told; None: nobody does
    listens: bool = False  # whether the client wants to hear what tasks print
    folder: str = ""  # the client's working folder, where it means something
    path: Sequence[str] = ()  # the client's sys.path, likewise
    # The client's, where others may be here.
    packages: Mapping[str, str] = field(default_factory=dict)
    python: str = platform.python_version()
    dask: str = dask.__version__
    release: str = dask_serverless.__version__

    def pack(self) -> bytes:
        told = {**vars(self), "storage": self.storage.told()}
        return bytes(msgpack.packb(told, unicode_errors="surrogateescape"))  # names of folders

    @staticmethod
    @lru_cache(maxsize=HEADERS_KNOWN)
    def unpack(data: bytes) -> Header:
        """The same one for runs that are alike, as those of a loop are."""
        told = msgpack.unpackb(data, unicode_errors="surrogateescape")
        if told.keys() != NAMES:
            return foreign(told)
        return Header(**{**told, "storage": Storage.heard(told["storage"])})

    def check_versions(self) -> None:
        """Code pickled for another Python minor or Dask version may do anything: refuse it."""
        theirs = (minor(self.python), self.dask, self.release)
        if theirs != OURS:
            raise VersionsDiffer(theirs, OURS)

    def enter(self) -> None:
        """Take on the client's working folder and import path, so that its modules are found."""
        for folder in self.path:
            if folder not in sys.path:
                sys.path.append(folder)
        if self.folder:
            with suppress(OSError):  # it is not here, or not for this user
                os.chdir(self.folder)


NAMES = {each.name for each in fields(Header)}


def foreign(told: Mapping[str, Any]) -> Header:
    """What can be told of a header that another release wrote: its versions, which will differ."""
    storage = Storage()
    with suppress(KeyError, TypeError):  # whoever cleans up does what can be done
        storage = Storage.heard(told["storage"])
    release = str(told.get("release", "of another release"))
    if release == dask_serverless.__version__:
        release += " from another source"
    python, dask = (str(told.get(name, "unknown")) for name in ("python", "dask"))
    return Header(b"", storage, 1.0, python=python, dask=dask, release=release)


def minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


OURS = (minor(platform.python_version()), dask.__version__, dask_serverless.__version__)
