"""Succession: which bundles one container takes one after another, and what annotations promise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planners.errors import AnnotationError
from planners.graph.arrays import Floats, Ids
from planners.plans.annotations import CheckFanIn, HoldOutput, KeepChildren
from planners.plans.crossings import Crossings
from planners.plans.validation import FLEXIBLE

NONE = -1

Refusal = tuple[object, str]  # the annotation, and why it cannot be kept
OnlyChildren = tuple[Ids, Ids, Floats]  # parent, child, bytes


@dataclass(frozen=True, eq=False)
class Succession:
    """What is decided before time passes, and the annotations that cannot be carried out with it.

    A *stretch* is a run of bundles that one container takes one after another whatever happens:
    the bundles of a slot in the order of their ids, a bundle and the children it keeps, and a
    flexible bundle with the one child that has no other producer. ``next`` walks along stretches;
    only where a stretch ends does time decide who goes on with what.
    """

    next: Ids  # bundle → the one its container takes afterwards, or NONE
    stretch: Ids  # bundle → first bundle of its stretch
    held_for: Ids  # bundle → the fan-in for which it holds its output back, or NONE
    held_seconds: Floats  # how long at most
    refused: tuple[Refusal, ...]

    @staticmethod
    def of(
        slots: Ids,
        memory_mb: Ids,
        annotations: Sequence[object],
        crossings: Crossings,
        pair_bytes: Floats,
    ) -> Succession:
        """A refused annotation is left out, so that what remains is as if it had never been."""
        refused: list[Refusal] = []
        following = _slot_order(slots)
        candidates = only_children(slots, memory_mb, crossings, pair_bytes)
        only_parents = _only_parents(candidates, len(slots))
        for note in annotations:
            if isinstance(note, KeepChildren) and not _keep(following, only_parents, note):
                refused.append((note, f"bundle {note.bundle} cannot keep {note.children}: {KEEP}"))
        _favour(following, candidates)
        stretch = _stretches(following)
        promises = Promises(slots, memory_mb, crossings, following, stretch)
        for note in annotations:
            if isinstance(note, CheckFanIn | HoldOutput) and (why := promises.hold(note)):
                what = f"bundle {note.bundle} cannot hold its output for bundle {note.child}"
                refused.append((note, f"{what}: {why}"))
        held_for, held_seconds = promises.held_for, promises.held_seconds
        return Succession(following, stretch, held_for, held_seconds, tuple(refused))

    def check(self) -> None:
        """Raise an AnnotationError if anything was refused."""
        if self.refused:
            raise AnnotationError(self.refused[0][1])


KEEP = "it has to be free then, and their only producer, of the same memory size, each once"


def only_children(
    slots: Ids, memory_mb: Ids, crossings: Crossings, pair_bytes: Floats
) -> OnlyChildren:
    """Flexible bundles with a single producer of the same memory size."""
    parents, children = crossings.pair_producers, crossings.pair_consumers
    producers = np.bincount(children, minlength=len(slots))
    fits = (producers[children] == 1) & (slots[children] == FLEXIBLE)
    fits &= memory_mb[parents] == memory_mb[children]
    return parents[fits], children[fits], pair_bytes[fits]


class Promises:
    """Who holds its output back for which fan-in; each promise is looked at by itself.

    A container that holds back waits for the fan-in's other inputs, and then goes on with it. So
    the fan-in has to take its output with all copies of tasks in place: with a copy, it may need
    nothing of it any more, and the container would wait for a bundle that others run or have run,
    while no container is left for whoever that bundle needs. And nobody else may take the output
    of who waits: a copy of a task moves its inputs to another bundle, which may itself be what the
    fan-in waits for, and the two would wait for each other.
    """

    def __init__(
        self, slots: Ids, memory_mb: Ids, crossings: Crossings, following: Ids, stretch: Ids
    ) -> None:
        self.slots, self.memory_mb, self.crossings = slots, memory_mb, crossings
        self.following, self.stretch = following, stretch
        self.held_for = np.full(len(slots), NONE, dtype=np.int32)
        self.held_seconds = np.zeros(len(slots))

    def hold(self, note: CheckFanIn | HoldOutput) -> str:
        """Note it down, or say why not."""
        why = self._why_not(note.bundle, note.child)
        if not why and isinstance(note, HoldOutput):
            if self.crossings.taker_counts[note.bundle] > 1:
                return "others take it too, and may be what that bundle waits for"
            self.held_seconds[note.bundle] = note.wait_seconds
        if not why:
            self.held_for[note.bundle] = note.child
        return why

    def _why_not(self, bundle: int, child: int) -> str:
        if not self.crossings.connects(bundle, child):
            return "that takes nothing of it (any more, where tasks are duplicated)"
        if self.held_for[bundle] not in (NONE, child):
            return f"it holds it for bundle {self.held_for[bundle]}"
        if self.following[bundle] != NONE:
            return f"it goes on with bundle {self.following[bundle]}"
        if self.slots[child] != FLEXIBLE or self.stretch[child] != child:
            return "another container is planned for that"
        if self.memory_mb[bundle] != self.memory_mb[child]:
            return "that needs a container of another size"
        return ""


def _slot_order(slots: Ids) -> Ids:
    following = np.full(len(slots), NONE, dtype=np.int32)
    slotted = np.flatnonzero(slots != FLEXIBLE).astype(np.int32)
    order = slotted[np.argsort(slots[slotted], kind="stable")]
    same = slots[order[1:]] == slots[order[:-1]]
    following[order[:-1][same]] = order[1:][same]
    return following


def _only_parents(candidates: OnlyChildren, count: int) -> Ids:
    """Child → the one bundle that could keep it, or NONE."""
    parents, children, _ = candidates
    only_parents = np.full(count, NONE, dtype=np.int32)
    only_parents[children] = parents
    return only_parents


def _keep(following: Ids, only_parents: Ids, note: KeepChildren) -> bool:
    """The children as one run after the bundle, unless one of them cannot be its to run."""
    run = (note.bundle, *note.children)
    its_own = all(only_parents[child] == note.bundle for child in note.children)
    free = all(following[bundle] == NONE for bundle in run[:-1])
    if not (its_own and free and note.children) or len(set(run)) < len(run):
        return False
    following[list(run[:-1])] = run[1:]
    return True


def _favour(following: Ids, candidates: OnlyChildren) -> None:
    """A free container goes on with its only child; of many, with the one that has most bytes."""
    parents, children, sizes = candidates
    kept = np.zeros(len(following), dtype=np.bool_)
    kept[following[following != NONE]] = True
    free = (following[parents] == NONE) & ~kept[children]
    order = np.lexsort((children[free], -sizes[free], parents[free]))
    ordered = parents[free][order]
    first = np.diff(ordered, prepend=-1) > 0
    following[ordered[first]] = children[free][order][first]


def _stretches(following: Ids) -> Ids:
    """Bundle → first bundle of its stretch, doubling the step each round."""
    first = np.arange(len(following), dtype=np.int32)
    has_next = np.flatnonzero(following != NONE)
    first[following[has_next]] = has_next
    while True:
        jumped = first[first]
        if np.array_equal(jumped, first):
            return first
        first = jumped
