"""Handover: large outputs of a finished bundle, and which children get them from memory.

A child gets them there if the call that announces them hands it to this very container. Where that
is not sure, it costs a round trip to ask, so it has to be worth one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import msgpack

from dask_serverless.coordination.base import Report
from dask_serverless.worker.bundle import BundleSpec, Near
from dask_serverless.worker.measure import nbytes

ASK_BYTES = 1 << 20  # storing that much takes longer than a round trip
REMEMBERED_BYTES = 128 << 20  # of outputs that are stored
AT_ONCE = 0.0

Row = list[Any]  # a child: id, slot, first byte, edges, bit, …


def large_outputs(spec: BundleSpec, values: Mapping[int, Any], least: int) -> dict[int, int]:
    """Bytes of those outputs that nobody but other bundles needs, by task; some may be stored."""
    if not spec.has_children:
        return {}
    wanted = spec.wanted
    left = [task for task in spec.stored if task not in wanted and task in values]
    sizes = {task: nbytes(values[task]) for task in left}
    return {task: size for task, size in sizes.items() if size > least}


@dataclass(frozen=True)
class Taker:
    """A child, with what it takes."""

    row: Row
    tasks: tuple[int, ...]

    @property
    def child(self) -> int:
        return int(self.row[0])

    @property
    def odds(self) -> float:
        """How often somebody has to ask until the answer is yes: the last of its inputs decides."""
        return float(self.row[3] / len(self.tasks))

    @property
    def waits_for_us_alone(self) -> bool:
        return self.odds == 1.0


def takers_of(spec: BundleSpec) -> list[Taker]:
    rows: list[Row] = msgpack.unpackb(spec.children)
    if not spec.given:
        return [Taker(row, spec.stored * (len(row) - 4)) for row in rows]
    takers, first = [], 0
    for row in rows:
        last = first + len(row) - 4
        takers.append(Taker(row, spec.given[first:last]))
        first = last
    return takers


class Handover:
    """Made when the bundle has run; what is ``left`` has not been announced yet."""

    def __init__(
        self,
        spec: BundleSpec,
        large: Mapping[int, int],
        now: float,
        room: float = inf,
        storing_seconds: float = AT_ONCE,
    ) -> None:
        """``room`` is for bytes that wait while other bundles run; if negative, all is stored.

        ``storing_seconds`` are what it is worth to wait at least, where bundles beside are told.
        """
        self.beside = spec.beside or ()
        self.storing_seconds = AT_ONCE if spec.beside is None else storing_seconds
        self.left = {taker.child: taker for taker in takers_of(spec)}
        self.large = large
        near = list(self.decided(spec)) if room >= 0 else []
        if sum(large.values()) > room:
            near = [Near(each.child, AT_ONCE) for each in near[:1]]
        least = self.storing_seconds if sum(large.values()) <= room else AT_ONCE
        self.until = {each.child: now + max(each.wait_seconds, least) for each in near}
        self.near: dict[int, Taker] = {}  # children for which outputs are left here by this call
        self.patient = False  # whether all of them may wait
        self.remembered: dict[int, Any] = {}  # outputs that are stored, and still here

    def decided(self, spec: BundleSpec) -> Iterable[Near]:
        """Which children may be near, and for how long."""
        takers = [
            taker
            for taker in self.left.values()
            if taker.row[1] in (-1, spec.slot) and not self.large.keys().isdisjoint(taker.tasks)
        ]
        if spec.near is None:
            return self.by_size(takers)
        children = {taker.child for taker in takers}
        return [near for near in spec.near if near.child in children]

    def by_size(self, takers: Iterable[Taker]) -> Iterator[Near]:
        """The child for which most bytes need not be stored, if it is worth to ask."""
        users = Counter(task for taker in self.left.values() for task in set(taker.tasks))
        best, most = -1, 0
        for taker in takers:
            size = sum(self.large.get(task, 0) for task in taker.tasks if users[task] == 1)
            if size > most and (taker.waits_for_us_alone or size >= ASK_BYTES * taker.odds):
                best, most = taker.child, size
        if most:
            yield Near(best, AT_ONCE)

    def look(self, now: float | None) -> None:
        """Before a call: for whom outputs stay here now; for nobody, if it gets no time."""
        waits = {} if now is None else {c: until for c, until in self.until.items() if until >= now}
        self.near = {child: taker for child, taker in self.left.items() if child in waits}
        self.patient = now is not None and all(waits[child] > now for child in self.near)

    @property
    def due(self) -> float:
        """When what is held back has to be given."""
        return min([self.until.get(child, AT_ONCE) for child in self.left], default=inf)

    def keeps(self, task: int) -> bool:
        """Whether an output is large, and nobody needs it but who finds it here."""
        others = (taker for child, taker in self.left.items() if child not in self.near)
        return task in self.large and not any(task in taker.tasks for taker in others)

    def remember(self, stored: Iterable[int], values: Mapping[int, Any]) -> None:
        """What the next bundle takes it need not fetch, even if it is stored for others."""
        room = REMEMBERED_BYTES - sum(self.large[task] for task in self.remembered)
        for task in stored:
            size = self.large.get(task, room + 1)
            if size <= room:
                self.remembered[task] = values[task]
                room -= size

    def told(self, report: Report) -> Report:
        """What the store is told of the bundle by this call."""
        others = [taker.row for child, taker in self.left.items() if child not in self.near]
        rows = [
            [*taker.row[:4], [task for task in taker.tasks if self.keeps(task)], *taker.row[4:]]
            for taker in self.near.values()
        ]
        near = bytes(msgpack.packb(rows)) if rows else b""
        children = bytes(msgpack.packb(others))
        return replace(
            report, children=children, near=near, patient=self.patient, beside=self.beside
        )

    def announced(self, given: int) -> None:
        """The call was answered: one of those children may run here now, the others wait."""
        self.left = {child: taker for child, taker in self.near.items() if child != given}
