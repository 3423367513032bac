"""Outputs that go out in parts, each told of when it is stored: somebody else waits for them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from dask_serverless.blobs.base import Stored
from dask_serverless.blobs.blobs import Blobs, Pack
from dask_serverless.blobs.frames import framed
from dask_serverless.coordination.parts import in_turn


@dataclass(frozen=True)
class InParts:
    run: str
    tasks: Collection[int]
    blobs: Blobs

    def put(self, name: str, task: int, value: Any, pack: Pack = framed) -> Stored:
        """What is small goes as ever, and so does what nobody waits for."""
        stored = self.blobs.put(name, value, pack)
        if task not in self.tasks or len(stored.commands) < 2:
            return stored
        return stored._replace(commands=in_turn(self.run, task, stored.commands))
