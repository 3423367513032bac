"""clustering: at a fan-out keep what is dearer to hand over; at a fan-in look before storing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from planners.cost.timeline import Timeline
from planners.numbers.predictions import Line
from planners.optimizations.annotating import Annotating
from planners.plans.annotations import Annotation, CheckFanIn, KeepChildren


@dataclass(frozen=True)
class Clustering(Annotating):
    """For flexible bundles: who has a slot has been told where to run."""

    name: ClassVar[str] = "clustering"

    def annotate(self, timeline: Timeline) -> tuple[Annotation, ...]:
        return (*self._fan_outs(timeline), *self._fan_ins(timeline))

    def _fan_outs(self, timeline: Timeline) -> list[Annotation]:
        layout, workload = timeline.layout, timeline.workload
        candidates: dict[int, list[tuple[float, int]]] = {}
        for parent, child, size in layout.handovers():
            candidates.setdefault(parent, []).append((-size, child))
        notes: list[Annotation] = []
        for parent, children in candidates.items():
            sizes = {child: -negative for negative, child in sorted(children)}
            seconds = [float(layout.exec_seconds[child]) for child in sizes]
            wide = KeepChildren(
                saves_seconds=0.0,
                bundle=parent,
                children=tuple(sizes),
                child_seconds=tuple(seconds),
                start_seconds=workload.warm_start(int(layout.memory_mb[parent])),
                upload=(workload.upload.base, workload.upload.per_byte),
                download=(workload.download.base, workload.download.per_byte),
            )
            kept = wide.kept(tuple(sizes.values()))
            if len(kept) > 1:
                notes.append(_narrowed(wide, kept, sizes))
        return notes

    def _fan_ins(self, timeline: Timeline) -> list[Annotation]:
        """Where containers do not look of their own accord."""
        upload, layout = timeline.workload.upload, timeline.layout
        asks = {(bundle, child) for bundle, child, _ in layout.asks(timeline.platform.ask_bytes)}
        return [
            CheckFanIn(saves_seconds=upload.at(size), bundle=bundle, child=child)
            for bundle, child, size in layout.fan_ins()
            if timeline.cause[child] == bundle and (bundle, child) not in asks
        ]


def _narrowed(wide: KeepChildren, kept: tuple[int, ...], sizes: dict[int, float]) -> KeepChildren:
    """The same note about the kept children only."""
    seconds = dict(zip(wide.children, wide.child_seconds, strict=True))
    handed = (Line(*wide.upload).at(sizes[child]) for child in kept[1:])
    return replace(
        wide,
        saves_seconds=sum(handed) + wide.start_seconds * (len(kept) - 1),
        children=kept,
        child_seconds=tuple(seconds[child] for child in kept),
    )
