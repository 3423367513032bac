"""Optimization: the interface behind which each one stands, and a planner that applies them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from planners.cost.model import CostModel
from planners.cost.timeline import Timeline, predict_timeline
from planners.errors import AnnotationError, Stalled
from planners.graph.dag import Dag
from planners.optimizations.clustering import Clustering
from planners.optimizations.delayed_io import DelayedIo
from planners.optimizations.preload import Preload
from planners.optimizations.prewarm import Prewarm
from planners.optimizations.streaming import Streaming
from planners.optimizations.task_dup import TaskDup
from planners.plans.annotations import Annotation
from planners.plans.plan import Plan, Planner, Resources


class Optimization(Protocol):
    """Looks at how a plan would run and says what containers should do differently."""

    @property
    def name(self) -> str: ...

    def annotate(self, timeline: Timeline) -> tuple[Annotation, ...]: ...


ALL: tuple[Optimization, ...] = (
    Clustering(),
    DelayedIo(),
    TaskDup(),
    Streaming(),
    Preload(),
    Prewarm(),
)


@dataclass(frozen=True)
class Optimized:
    """A planner around a planner: adds the annotations that the timeline says pay."""

    planner: Planner
    optimizations: tuple[Optimization, ...] = ALL
    model: CostModel = field(default_factory=CostModel)

    @property
    def name(self) -> str:
        return self.planner.name

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        plan = self.planner.plan(dag, resources)
        timeline = self.model.timeline(plan, self.model.workload(dag), resources)
        return optimize(timeline, resources, self.optimizations).predicted_plan()


def optimize(
    timeline: Timeline, resources: Resources, optimizations: tuple[Optimization, ...] = ALL
) -> Timeline:
    """One after another, on the timeline that those before it left; none has to know of any other.

    All notes of an optimization are tried at once; if that is no gain, those on the critical path.
    """
    for optimization in optimizations:
        notes = optimization.annotate(timeline)
        critical = set(timeline.critical_path)
        on_path = tuple(note for note in notes if getattr(note, "bundle", -1) in critical)
        for some in (notes, on_path):
            better = _with_notes(timeline, resources, some)
            if better is not None:
                timeline = better
                break
    return timeline


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
    before, after = _worth(timeline), _worth(other)
    return other if after < before else None


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


def _worth(timeline: Timeline) -> tuple[float, float, float]:
    """Less is better: time first, rounded so that sums in another order do not count."""
    return (round(timeline.makespan_seconds, 9), round(timeline.cost, 12), timeline.bytes_moved)
