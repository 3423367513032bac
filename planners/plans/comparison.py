"""Comparison: two plans task by task, or many by what they are expected to take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Protocol

import numpy as np

from planners.errors import PlanError
from planners.graph.arrays import Ids
from planners.plans.tables import html_table, in_bytes, table


class Compared(Protocol):
    """What is looked at: a Plan has it."""

    @property
    def planner(self) -> str: ...

    @property
    def bundles(self) -> Ids: ...

    @property
    def slots(self) -> Ids: ...

    @property
    def memory_mb(self) -> Ids: ...

    @property
    def annotations(self) -> tuple[object, ...]: ...

    @property
    def prediction(self) -> Any: ...


@dataclass(frozen=True, eq=False)
class PlanDiff:
    """What differs between two plans for the same tasks; ids of bundles may differ freely."""

    planners: tuple[str, str]
    regrouped: Ids  # tasks that share their bundle with other tasks than before
    moved: Ids  # tasks whose slot has another number
    resized: Ids  # tasks whose container has another memory size
    added: tuple[object, ...]  # annotations
    removed: tuple[object, ...]
    predicted: tuple[str, ...]  # one line for each predicted value that changed

    def __bool__(self) -> bool:
        arrays = (self.regrouped, self.moved, self.resized)
        return any(map(len, arrays)) or bool(self.added or self.removed or self.predicted)

    def __str__(self) -> str:
        return "\n".join([f"{self.planners[0]} → {self.planners[1]}", *self._lines()])

    def _lines(self) -> Iterator[str]:
        if not self:
            yield "  no difference"
        for tasks, what in (
            (self.regrouped, "in bundles with other tasks"),
            (self.moved, "in another slot"),
            (self.resized, "with another memory size"),
        ):
            if len(tasks):
                shown = ", ".join(map(str, tasks[:5].tolist())) + (", …" if len(tasks) > 5 else "")
                yield f"  {len(tasks)} tasks {what}: {shown}"
        yield from (f"  + {annotation}" for annotation in self.added)
        yield from (f"  - {annotation}" for annotation in self.removed)
        yield from (f"  {line}" for line in self.predicted)


def difference(one: Compared, other: Compared) -> PlanDiff:
    if len(one.bundles) != len(other.bundles):
        counts = f"{len(one.bundles)} and {len(other.bundles)} tasks"
        raise PlanError(f"plans for {counts} cannot be compared task by task")
    slots = one.slots[one.bundles] != other.slots[other.bundles]
    memory = one.memory_mb[one.bundles] != other.memory_mb[other.bundles]
    return PlanDiff(
        planners=(one.planner, other.planner),
        regrouped=_regrouped(one.bundles, other.bundles),
        moved=np.flatnonzero(slots).astype(np.int32),
        resized=np.flatnonzero(memory).astype(np.int32),
        added=tuple(each for each in other.annotations if each not in one.annotations),
        removed=tuple(each for each in one.annotations if each not in other.annotations),
        predicted=tuple(_predicted(one, other)),
    )


def _regrouped(one: Ids, other: Ids) -> Ids:
    """Bundles are the same where the tasks they share are all that either of them holds."""
    if not len(one):
        return np.empty(0, dtype=np.int32)
    pairs = one.astype(np.int64) * (int(other.max()) + 1) + other
    _, pair_of, shared = np.unique(pairs, return_inverse=True, return_counts=True)
    shared = shared[pair_of]
    same = (np.bincount(one)[one] == shared) & (np.bincount(other)[other] == shared)
    return np.flatnonzero(~same).astype(np.int32)


def _predicted(one: Compared, other: Compared) -> Iterator[str]:
    if one.prediction is None or other.prediction is None:
        return
    before, after = vars(one.prediction), vars(other.prediction)
    for name, value in before.items():
        if value != after[name]:
            yield f"{name}: {value:.6g} → {after[name]:.6g}"


HEADERS = ("planner", "bundles", "slots", "makespan s", "cost", "GB s", "cold starts", "bytes")


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Plans with what each is expected to take and to cost; prints as a table."""

    plans: tuple[Compared, ...]
    failures: tuple[str, ...] = ()  # planners that gave no plan, each with why

    def __str__(self) -> str:
        return "\n".join((compare(self.plans), *self.failures))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [_row(plan) for plan in self.plans]
        return html_table(HEADERS, rows) + "".join(f"<p>{escape(why)}</p>" for why in self.failures)


def compare(plans: Sequence[Compared]) -> str:
    """A table of what each plan is expected to take and to cost."""
    return table(HEADERS, [_row(plan) for plan in plans])


def _row(plan: Compared) -> tuple[object, ...]:
    used = plan.slots[plan.slots >= 0]
    known = (plan.planner, len(plan.slots), len(np.unique(used)))
    prediction = plan.prediction
    if prediction is None:
        return (*known, *("?" * 5))
    return (
        *known,
        f"{prediction.makespan_seconds:.3f}",
        f"{prediction.cost:.6f}",
        f"{prediction.gb_seconds:.3f}",
        prediction.cold_starts,
        in_bytes(prediction.bytes_moved),
    )
