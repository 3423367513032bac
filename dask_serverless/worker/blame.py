"""Which task an error belongs to that came while a bundle's inputs were fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dask_serverless.blobs.blobs import Blobs
from dask_serverless.worker.bundle import Step
from dask_serverless.worker.execute import owner


@dataclass(frozen=True)
class Blame:
    """What was under way, for the note that the client puts on the error. Numbers are -1: none."""

    doing: str = "running"
    task: int = -1
    function: int = -1  # an index into the table
    source: int = -1  # the task whose output it was about
    tries: Sequence[str] = ()  # how each attempt at the task ended, where there were several


def of_input(
    blobs: Blobs, references: Mapping[int, bytes | None], program: Sequence[Step]
) -> Blame:
    """For inputs and constants by name, after they could not be had all together."""
    name = culprit(blobs, references)
    for out, function, arguments, _ in program:
        if name in arguments:
            task = owner(program, out)
            if name >= 0:
                return Blame("fetching an input of", task, function, name)
            return Blame("unpickling an argument of", task, function)
    return Blame("fetching the inputs of a bundle")


def of_result(blobs: Blobs, references: Mapping[int, bytes | None]) -> Blame:
    """For results by task, likewise."""
    task = culprit(blobs, references)
    return Blame() if task is None else Blame("unpickling the result of", task, source=task)


def culprit(blobs: Blobs, references: Mapping[int, bytes | None]) -> int | None:
    """The first one that cannot be had alone either. This is for once, so it may take its time."""
    for name, reference in references.items():
        try:
            blobs.get([reference] if reference else [])
        except Exception:
            return name
        if not reference:
            return name
    return None
