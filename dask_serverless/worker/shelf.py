"""Shelf: outputs of bundles that ran in this container, for those that run here next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dask_serverless.coordination.base import Answer
from dask_serverless.worker.lasting import Lasting
from dask_serverless.worker.work import Work


class Shelf:
    """Bundles that are not done, since some of their outputs wait; and outputs of the last ones."""

    def __init__(self, memory_mb: int = 0) -> None:
        self.held: dict[int, Work] = {}
        self.lenders: dict[int, Work] = {}  # output → who has it in memory
        self.lasting = Lasting(memory_mb)

    @property
    def held_bytes(self) -> int:
        return sum(work.kept_bytes for work in self.held.values())

    def put(self, works: Sequence[Work], answer: Answer) -> None:
        """After a call that announced what these have to give, as far as it could."""
        given = answer.assignment.bundle if answer.assignment is not None else -1
        for work in works:
            if work.handover is not None:
                work.handover.announced(given)
        named = {work.attempt.bundle: work for work in works}
        self.held = {bundle: named[bundle] for bundle in answer.held}
        self.lenders = {task: work for work in works for task in work.in_memory()}
        for work in works:
            self.lasting.keep(work.lasting, work.packing.slow)
            work.lasting = {}

    def take(
        self, tasks: Sequence[int], still_needed: Sequence[int] = ()
    ) -> tuple[dict[int, Any], float]:
        """Those of these outputs that are here, and the seconds that it took to make them if
        nobody else has them; the others may go, but for those that a later bundle takes.
        """
        found = self.lasting.take(tasks, set(still_needed))
        at_risk: dict[int, float] = {}
        for task in tasks:
            if (work := self.lenders.get(task)) is not None:
                found[task] = work.in_memory()[task]
                if task in work.unstored:
                    at_risk[work.attempt.bundle] = work.at_risk
        self.lenders = {}
        return found, sum(at_risk.values())

    def clear(self) -> None:
        self.held, self.lenders = {}, {}
        self.lasting.clear()


def beside(works: Sequence[Work]) -> list[int]:
    """Bundles whose outputs meet those that these hold back."""
    holding = [work.handover for work in works if work.handover and work.handover.near]
    return [bundle for handover in holding for bundle in handover.beside]
