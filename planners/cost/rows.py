"""Rows: a timeline bundle by bundle, as a table for people."""

from __future__ import annotations

import numpy as np

from planners.cost.timeline import Timeline
from planners.plans.tables import table
from planners.plans.validation import FLEXIBLE

ROWS = 20  # bundles that a timeline prints
HEADERS = ("bundle", "tasks", "last task", "slot", "memory", "container", "begun s", "ran s", "done s")  # fmt: skip
NAME = 24  # characters of a function's name: its end tells more than its beginning


def shown_rows(timeline: Timeline) -> str:
    """Those that begin first."""
    first = np.argsort(timeline.begun, kind="stable")[:ROWS].tolist()
    lines = [table(HEADERS, [row_of(timeline, bundle) for bundle in first])] if first else []
    if (more := len(timeline.begun) - len(first)) > 0:
        lines.append(f"… {more} more bundles")
    return "\n".join(lines)


def row_of(timeline: Timeline, bundle: int) -> tuple[object, ...]:
    plan, layout = timeline.plan, timeline.layout
    tasks = np.flatnonzero(plan.bundles == bundle)
    slot, memory = int(plan.slots[bundle]), int(layout.memory_mb[bundle])
    return (
        bundle,
        len(tasks),
        name_of(timeline, int(tasks[-1])),
        "any" if slot == FLEXIBLE else str(slot),
        f"{memory} MB",
        int(timeline.container[bundle]),
        f"{timeline.begun[bundle]:.3f}",
        f"{layout.exec_seconds[bundle]:.3f}",
        f"{timeline.finished[bundle]:.3f}",
    )


def name_of(timeline: Timeline, task: int) -> str:
    """Of its function, without what only tells versions of it apart."""
    dag = timeline.workload.dag
    function = int(dag.functions[task])
    if function >= len(dag.function_names):
        return dag.label(task)
    name = dag.function_names[function].split("#")[0]
    return name if len(name) <= NAME else ".." + name[2 - NAME :]
