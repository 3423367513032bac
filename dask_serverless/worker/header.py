"""What each container of a run needs once: functions, folders, where blobs live, versions."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dask
import msgpack

from dask_serverless.errors import VersionsDiffer


@dataclass(frozen=True)
class Header:
    """Packed with msgpack, so that a container of another version can still read the versions."""

    functions: bytes  # the table of functions, or where it is: a reference
    places: Sequence[Sequence[Any]]  # where blobs live, the place for large ones first
    inline_bytes: int
    compression: str | None
    lease_seconds: float
    observe: bool = False  # whether each task is timed, for Dask's callbacks
    folder: str = ""  # the client's working folder, where it means something
    path: Sequence[str] = ()  # the client's sys.path, likewise
    python: str = platform.python_version()
    dask: str = dask.__version__

    def pack(self) -> bytes:
        return bytes(msgpack.packb(vars(self)))

    @staticmethod
    def unpack(data: bytes) -> Header:
        return Header(**msgpack.unpackb(data))

    def check_versions(self) -> None:
        """Code pickled for another Python minor or Dask version may do anything: refuse it."""
        ours = (minor(platform.python_version()), dask.__version__)
        theirs = (minor(self.python), self.dask)
        if ours != theirs:
            raise VersionsDiffer(*theirs, *ours)

    def enter(self) -> None:
        """Take on the client's working folder and import path, so that its modules are found."""
        for folder in self.path:
            if folder not in sys.path:
                sys.path.append(folder)
        if self.folder and os.path.isdir(self.folder):
            os.chdir(self.folder)


def minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
