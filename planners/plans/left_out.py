"""Left out: annotations of a plan that nobody can carry out; the others stay, and so does the plan.

A plan asks for bundles and slots, without which there is no run, and for annotations, without which
there is one. So a wrong annotation is no reason to run nothing; but who made it has to hear of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from planners.errors import AnnotationError
from planners.graph.dag import Dag
from planners.plans.annotations import (
    Annotation,
    DuplicateTask,
    LeftOut,
    PreloadInputs,
    StartContainers,
    StreamInputs,
    StreamOutputs,
)
from planners.plans.crossings import Crossings, needs, why_no_copy
from planners.plans.legality import check_values
from planners.plans.plan import Plan, Resources
from planners.plans.succession import Refusal, Succession
from planners.plans.validation import FLEXIBLE


def without_impossible(plan: Plan, dag: Dag, resources: Resources) -> Plan:
    """The plan with a ``LeftOut`` in the place of each annotation that cannot be carried out."""
    refused = {id(note): why for note, why in Impossible(plan, dag, resources).found()}
    notes = [
        LeftOut.of(note, refused[id(note)]) if id(note) in refused else note
        for note in plan.annotations
    ]
    return replace(plan, annotations=tuple(notes))


class Impossible:
    """What of a plan's annotations that is; each is looked at beside those that are possible."""

    def __init__(self, plan: Plan, dag: Dag, resources: Resources) -> None:
        self.plan, self.dag, self.resources = plan, dag, resources
        self.count = len(plan.slots)

    def found(self) -> list[Refusal]:
        mine = [note for note in self.plan.annotations if isinstance(note, Annotation)]
        wrong = list(self.wrong(mine))
        mine = without(mine, wrong)
        copies = list(self.no_copies(mine))
        mine = without(mine, copies)
        kept = [note for note in mine if isinstance(note, DuplicateTask)]
        crossings = Crossings.of(self.dag, self.plan.bundles, self.count, kept)
        any_bytes = np.zeros(len(crossings.pair_producers))
        plan = self.plan
        succession = Succession.of(plan.slots, plan.memory_mb, mine, crossings, any_bytes)
        idle = self.idle(without(mine, succession.refused), crossings)
        return [*wrong, *copies, *succession.refused, *idle]

    def wrong(self, notes: Iterable[Annotation]) -> Iterator[Refusal]:
        """Bundles and tasks that do not exist, and numbers that mean nothing."""
        for note in notes:
            try:
                check_values(self.dag, self.count, [note])
            except AnnotationError as error:
                yield note, str(error).partition(": ")[2]

    def no_copies(self, notes: Iterable[Annotation]) -> Iterator[Refusal]:
        copies = [note for note in notes if isinstance(note, DuplicateTask)]
        if copies:
            needed = needs(Crossings.of(self.dag, self.plan.bundles, self.count))
            for note in copies:
                if why := why_no_copy(self.dag, needed, note):
                    yield note, why

    def idle(self, notes: Iterable[Annotation], crossings: Crossings) -> Iterator[Refusal]:
        """Those by which nothing would happen."""
        taken: set[tuple[int, int]] | None = None
        for note in notes:
            if isinstance(note, PreloadInputs | StreamInputs) and note.tasks:
                taken = needs(crossings) if taken is None else taken
                if why := self.why_not_ahead(note, taken):
                    yield note, why
            elif isinstance(note, StreamOutputs) and note.tasks:
                if not (self.plan.bundles[list(note.tasks)] == note.bundle).any():
                    yield note, f"bundle {note.bundle} has none of the tasks {note.tasks}"
            elif isinstance(note, StartContainers):
                if note.containers > (most := self.resources.containers):
                    yield note, f"there are at most {most} containers, not {note.containers}"

    def why_not_ahead(self, note: PreloadInputs | StreamInputs, taken: set[tuple[int, int]]) -> str:
        slots, bundle = self.plan.slots, note.bundle
        if slots[bundle] == FLEXIBLE:
            return f"bundle {bundle} has no slot, so no container is there before it"
        if not (slots[:bundle] == slots[bundle]).any():
            return f"bundle {bundle} is the first of its slot: no container is there before it"
        if not any((bundle, task) in taken for task in note.tasks):
            return f"bundle {bundle} takes none of the tasks {note.tasks} from another bundle"
        return ""


def without(notes: Iterable[Annotation], refused: Iterable[Refusal]) -> list[Annotation]:
    gone = {id(note) for note, _ in refused}
    return [note for note in notes if id(note) not in gone]
