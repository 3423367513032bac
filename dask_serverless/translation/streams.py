"""Which outputs are streamed, and who waits for them: what the specs of bundles say of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np

from planners.plans.annotations import PreloadInputs, StreamInputs, StreamOutputs
from planners.plans.plan import Plan

ByBundle = dict[int, tuple[int, ...]]


class Fields(TypedDict, total=False):
    """Of a bundle's spec."""

    streamed: tuple[int, ...]
    coming: tuple[int, ...]
    early: tuple[int, ...]


@dataclass(frozen=True)
class Streams:
    streamed: ByBundle = field(default_factory=dict)  # by who makes these outputs
    coming: ByBundle = field(default_factory=dict)  # by whose container waits for them meanwhile
    early: ByBundle = field(default_factory=dict)

    @staticmethod
    def of_plan(plan: Plan) -> Streams:
        taken = [note for note in plan.annotations if isinstance(note, StreamInputs)]
        given = [note for note in plan.annotations if isinstance(note, StreamOutputs)]
        if not taken and not given:
            return NONE
        streamed: ByBundle = {}
        for task in sorted({task for note in taken for task in note.tasks}):
            bundle = int(plan.bundles[task])
            streamed[bundle] = (*streamed.get(bundle, ()), task)
        early: ByBundle = {}
        for note in given:
            early[note.bundle] = (*early.get(note.bundle, ()), *note.tasks)
        return Streams(streamed, by_bundle_before(plan, taken), early)

    def of(self, bundle: int) -> Fields:
        if self is NONE:
            return {}
        return {
            "streamed": self.streamed.get(bundle, ()),
            "coming": self.coming.get(bundle, ()),
            "early": self.early.get(bundle, ()),
        }


NONE = Streams()


def by_bundle_before(plan: Plan, notes: Sequence[PreloadInputs | StreamInputs]) -> ByBundle:
    """The tasks of each note, by the bundle that the same container runs before the note's."""
    found: ByBundle = {}
    for note in notes:
        before = np.flatnonzero(plan.slots[: note.bundle] == plan.slots[note.bundle])
        if plan.slots[note.bundle] >= 0 and len(before):
            last = int(before[-1])
            found[last] = (*found.get(last, ()), *note.tasks)
    return found
