"""Planners around a planner, that ask for all that containers can do, whether it pays or not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from planners.graph.dag import Dag
from planners.plans.annotations import (
    DuplicateTask,
    PreloadInputs,
    StreamInputs,
    StreamOutputs,
)
from planners.plans.bundles import bundles_of
from planners.plans.plan import Plan, Resources
from planners.registry import planner_named


@dataclass(frozen=True)
class Copying:
    """Bundles run copies of the tasks that they need: of all where ``seed`` is negative, or some."""

    inner: str = "wukong"
    seed: int = -1

    name = "copying"

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        plan = planner_named(self.inner).plan(dag, resources)
        bundles, chosen = bundles_of(dag, plan), Random(self.seed)
        edges = zip(bundles.edge_consumers.tolist(), bundles.edge_tasks.tolist(), strict=True)
        notes = tuple(
            DuplicateTask(saves_seconds=0.0, bundle=bundle, task=task)
            for bundle, task in edges
            if self.seed < 0 or chosen.random() < 0.5
        )
        copied = replace(plan, planner=self.name, annotations=notes)
        copied.validate(dag)
        return copied


@dataclass(frozen=True)
class Preloading:
    """Each bundle's inputs are fetched while the one before it in its slot still runs."""

    inner: str = "simple"

    name = "preloading"

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        plan = planner_named(self.inner).plan(dag, resources)
        bundles = bundles_of(dag, plan)
        tasks = bundles.edge_tasks.tolist()
        first = bundles.input_offsets.tolist()
        notes = tuple(
            PreloadInputs(0.0, bundle, tuple(tasks[first[bundle] : first[bundle + 1]]))
            for bundle in range(bundles.count)
        )
        return replace(plan, planner=self.name, annotations=notes)


@dataclass(frozen=True)
class Streaming:
    """Each output leaves as soon as it is made, in parts, and is fetched as these come."""

    inner: str = "simple"

    name = "streaming"

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        plan = planner_named(self.inner).plan(dag, resources)
        bundles = bundles_of(dag, plan)
        tasks, first = bundles.edge_tasks.tolist(), bundles.input_offsets.tolist()
        of_bundle, offsets = bundles.tasks.tolist(), bundles.task_offsets.tolist()
        taken = [
            StreamInputs(0.0, bundle, tuple(tasks[first[bundle] : first[bundle + 1]]))
            for bundle in range(bundles.count)
        ]
        given = [
            StreamOutputs(0.0, bundle, tuple(of_bundle[offsets[bundle] : offsets[bundle + 1]]))
            for bundle in range(bundles.count)
        ]
        return replace(plan, planner=self.name, annotations=(*taken, *given))
