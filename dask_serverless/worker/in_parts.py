"""Outputs that go out in parts, each told of when it is stored: somebody else waits for them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from dask_serverless.blobs.base import Stored
from dask_serverless.blobs.blobs import Blobs
from dask_serverless.coordination.parts import in_turn


@dataclass(frozen=True)
class InParts:
    run: str
    tasks: Collection[int]
    blobs: Blobs

    def put(self, name: str, task: int, value: Any) -> Stored:
        """What is small goes as ever, and so does what nobody waits for."""
        stored = self.blobs.put(name, value)
        if task not in self.tasks or len(stored.commands) < 2:
            return stored
        return stored._replace(commands=in_turn(self.run, task, stored.commands))
