"""Pieces: tasks of one bundle that need one another; pieces have nothing but inputs in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dask_serverless.worker.bundle import Step
from dask_serverless.worker.retrying import tasks_of

Piece = list[Step]


def pieces_of(program: Sequence[Step]) -> list[Piece]:
    """In the order of their first tasks; the steps of each stay in theirs."""
    tasks = list(tasks_of(program))
    leader = list(range(len(tasks)))  # by task: another one of its piece, up to the first
    made: dict[int, int] = {}  # name → the task that gives it

    def first(task: int) -> int:
        while leader[task] != task:
            leader[task] = task = leader[leader[task]]
        return task

    for number, (begin, end) in enumerate(tasks):
        for out, _, arguments, _ in program[begin:end]:
            for name in arguments:
                if (source := made.get(name)) is not None:
                    one, other = sorted((first(source), first(number)))
                    leader[other] = one
            made[out] = number
    pieces: dict[int, Piece] = {}
    for number, (begin, end) in enumerate(tasks):
        pieces.setdefault(first(number), []).extend(program[begin:end])
    return list(pieces.values())


def taken_by(piece: Piece) -> set[int]:
    """Inputs and constants."""
    made = {step[0] for step in piece}
    return {name for step in piece for name in step[2]} - made


def in_common(pieces: Sequence[Piece]) -> set[int]:
    """What several of them take: it has to stay until the last one is through."""
    users = Counter(name for piece in pieces for name in taken_by(piece))
    return {name for name, count in users.items() if count > 1}
