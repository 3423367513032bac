"""Annotating: what optimizations share that ask containers for something; kept where it pays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

from planners.cost.timeline import Timeline, predict_timeline
from planners.errors import AnnotationError, Stalled
from planners.plans.annotations import Annotation
from planners.plans.plan import Resources


class Annotating(ABC):
    """All notes of an optimization are tried at once; if that is no gain, those on the critical
    path.
    """

    @abstractmethod
    def annotate(self, timeline: Timeline) -> tuple[Annotation, ...]:
        """What containers should do differently, as this timeline has it."""

    def improved(self, timeline: Timeline, resources: Resources) -> Timeline:
        notes = self.annotate(timeline)
        critical = set(timeline.critical_path)
        on_path = tuple(note for note in notes if getattr(note, "bundle", -1) in critical)
        for some in (notes, on_path):
            better = _with_notes(timeline, resources, some)
            if better is not None:
                return better
        return timeline


def worth(timeline: Timeline) -> tuple[float, float, float]:
    """Less is better: time first, rounded so that sums in another order do not count."""
    return (round(timeline.makespan_seconds, 9), round(timeline.cost, 12), timeline.bytes_moved)


def _with_notes(
    timeline: Timeline, resources: Resources, notes: tuple[Annotation, ...]
) -> Timeline | None:
    """The timeline with these notes, if that is a gain."""
    if not notes:
        return None
    try:
        other = _predicted(timeline, resources, (*timeline.plan.annotations, *notes))
    except (AnnotationError, Stalled):  # slots that wait for flexible bundles may stall
        return None
    return other if worth(other) < worth(timeline) else None


def _predicted(
    timeline: Timeline, resources: Resources, annotations: tuple[object, ...]
) -> Timeline:
    """With these annotations; where some make others impossible, without those."""
    plan, dag = replace(timeline.plan, annotations=annotations), timeline.workload.dag
    try:
        return predict_timeline(plan, timeline.workload, timeline.platform, resources)
    except AnnotationError:
        plan = plan.with_annotations(dag, annotations)
        return predict_timeline(plan, timeline.workload, timeline.platform, resources)
