"""What a bundle gives to others, stored before it is announced."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dask_serverless.blobs.base import Command, Stored
from dask_serverless.blobs.blobs import INLINE, MOST_INLINE_BYTES, PACKS, Blobs, Pack
from dask_serverless.worker.early import Sent
from dask_serverless.worker.in_parts import InParts


@dataclass
class Outputs:
    """What a bundle gives to others."""

    announced: list[bytes | int] = field(default_factory=list)  # task, reference, …
    commands: list[Command] = field(default_factory=list)  # that write blobs into the store
    nbytes: int = 0
    sizes: list[int] = field(default_factory=list)  # of each one announced
    wanted: dict[int, bytes] = field(default_factory=dict)  # by the client
    wanted_bytes: int = 0
    written: list[bytes] = field(default_factory=list)  # to be deleted if nobody announces it
    early: Sequence[Sent] = ()  # stored while the bundle still ran

    def add(self, task: int, stored: Stored, wanted: bool) -> None:
        self.announced += (task, stored.reference)
        self.commands += stored.commands
        self.nbytes += stored.nbytes
        self.sizes.append(stored.nbytes)
        if wanted:
            self.wanted[task] = stored.reference
            self.wanted_bytes += stored.nbytes

    def add_early(self, sent: Sequence[Sent], wanted: Container[int]) -> None:
        self.early = sent
        for one in sent:
            self.add(one.task, one.stored, one.task in wanted)
            self.written.append(one.stored.reference)

    @property
    def late_bytes(self) -> int:
        """Of those stored at the end."""
        return self.nbytes - sum([one.stored.nbytes for one in self.early])

    def wanted_within(self, most_bytes: int) -> Mapping[int, bytes] | None:
        return self.wanted if sum(map(len, self.wanted.values())) <= most_bytes else None


class Unstorable(Exception):
    """An output cannot be stored; the cause is why."""

    def __init__(self, task: int, written: list[bytes]) -> None:
        super().__init__(task)
        self.task = task
        self.written = written  # of the outputs before


def put_outputs(
    tasks: Iterable[int],
    wanted: Container[int],
    values: dict[int, Any],
    blobs: Blobs,
    names: Iterator[str],
    in_parts: InParts | None = None,
    packs: Iterable[Pack] = PACKS,
) -> Outputs:
    """What others need of a bundle, stored or on its way into the call; values go with that."""
    outputs = Outputs()
    streamed = in_parts.tasks if in_parts is not None else ()
    inline = 0
    name = next(names)
    for task, pack in zip(tasks, packs, strict=False):
        put = blobs.put if inline < MOST_INLINE_BYTES else blobs.put_apart
        try:
            if in_parts is not None and task in streamed:
                stored = in_parts.put(name, task, values.pop(task), pack)
            else:
                stored = put(name, values.pop(task), pack)
        except Exception as error:
            raise Unstorable(task, outputs.written) from error
        if stored.reference[:1] == INLINE:
            inline += stored.nbytes
        else:
            outputs.written.append(stored.reference)
            name = next(names)
        outputs.add(task, stored, task in wanted)
    return outputs
