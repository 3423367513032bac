"""Legality: which annotations a plan can carry out without containers waiting for one another.

A container may wait in two ways only: for the inputs of the next bundle in its slot, all of which
come from bundles with lower ids; and with an output held back, for the other inputs of the fan-in
that takes it. ``Succession`` has the rules that keep the second kind free of circles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from math import isfinite
from typing import Any

import numpy as np

from planners.errors import AnnotationError
from planners.graph.arrays import Ids
from planners.graph.dag import Dag
from planners.plans.annotations import SUBMISSION, Annotation, DuplicateTask, KeepChildren
from planners.plans.crossings import Crossings
from planners.plans.succession import Succession


def check_annotations(
    dag: Dag, bundles: Ids, slots: Ids, memory_mb: Ids, annotations: Sequence[object]
) -> None:
    """Raise an AnnotationError unless containers can carry out all of them together."""
    if any(isinstance(note, Annotation) for note in annotations):
        check_values(dag, len(slots), annotations)
        _succession(dag, bundles, slots, memory_mb, annotations).check()


def without_refused(
    dag: Dag, bundles: Ids, slots: Ids, memory_mb: Ids, annotations: Sequence[object]
) -> tuple[object, ...]:
    """The annotations but those that the others, say a copy of a task, have made impossible."""
    refused = _succession(dag, bundles, slots, memory_mb, annotations).refused
    impossible = {id(note) for note, _ in refused}
    return tuple(note for note in annotations if id(note) not in impossible)


def _succession(
    dag: Dag, bundles: Ids, slots: Ids, memory_mb: Ids, annotations: Sequence[object]
) -> Succession:
    copies = [note for note in annotations if isinstance(note, DuplicateTask)]
    crossings = Crossings.of(dag, bundles, len(slots), copies)
    # Sizes decide which of its only children a bundle goes on with, but not whether it does.
    any_bytes = np.zeros(len(crossings.pair_producers))
    return Succession.of(slots, memory_mb, annotations, crossings, any_bytes)


def check_values(dag: Dag, bundles: int, annotations: Iterable[object]) -> None:
    """Raise an AnnotationError unless each names bundles and tasks that exist, and real numbers."""
    for note in annotations:
        if isinstance(note, Annotation):
            for name in (field.name for field in fields(note)):
                _check_value(note, name, dag.tasks, bundles)
            if isinstance(note, KeepChildren) and len(note.children) != len(note.child_seconds):
                raise AnnotationError(f"annotation {note.kind!r}: child_seconds is not one a child")


def _check_value(note: Annotation, name: str, tasks: int, bundles: int) -> None:
    if name not in RULES:
        return
    fits, what = RULES[name]
    value = getattr(note, name)
    values = value if isinstance(value, tuple) else (value,)
    if not all(_is_number(each) and fits(each, tasks, bundles) for each in values):
        raise AnnotationError(f"annotation {note.kind!r}: {name} is {value!r}: {what}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and isfinite(value)


Fits = Callable[[Any, int, int], bool]  # value, tasks, bundles


def _is_bundle(value: Any, tasks: int, bundles: int) -> bool:
    return bool(0 <= value < bundles and value == int(value))


def _is_trigger(value: Any, tasks: int, bundles: int) -> bool:
    return bool(value == SUBMISSION) or _is_bundle(value, tasks, bundles)


def _is_task(value: Any, tasks: int, bundles: int) -> bool:
    return bool(0 <= value < tasks and value == int(value))


def _is_amount(value: Any, tasks: int, bundles: int) -> bool:
    return bool(value >= 0)


def _is_count(value: Any, tasks: int, bundles: int) -> bool:
    return bool(value >= 1) and value == int(value)


def _is_any(value: Any, tasks: int, bundles: int) -> bool:
    return True


def _is_delay(value: Any, tasks: int, bundles: int) -> bool:
    return bool(0 <= value <= LONGEST_SECONDS)


LONGEST_SECONDS = 86_400.0  # whatever is to happen later than that, the run is long over

BUNDLE = _is_bundle, "the plan has no such bundle"
TASK = _is_task, "the graph has no such task"
AMOUNT = _is_amount, "it must be finite and not negative"
RULES: dict[str, tuple[Fits, str]] = {
    "saves_seconds": (_is_any, "it must be a finite number"),
    "bundle": BUNDLE,
    "child": BUNDLE,
    "children": BUNDLE,
    "trigger": (_is_trigger, "the plan has no such bundle"),
    "task": TASK,
    "tasks": TASK,
    "wait_seconds": AMOUNT,
    "delay_seconds": (_is_delay, "it must be finite, not negative and within a day"),
    "start_seconds": AMOUNT,
    "child_seconds": AMOUNT,
    "upload": AMOUNT,
    "download": AMOUNT,
    "containers": (_is_count, "it must be a whole number of at least one"),
    "fewer": (_is_count, "it must be a whole number of at least one"),
    "memory_mb": (_is_count, "it must be a whole number of at least one"),
}
