"""HEFT as published (Topcuoglu, Hariri and Wu 2002), on containers that are all alike.

Upward ranks with mean costs, then each task to the processor, and the gap on it, where it finishes
first. What it takes for communication is what moving bytes through the store takes; of start-ups
and of bundles it knows nothing, and no line of it is shared with ``planners``.
"""

from __future__ import annotations

from planners.numbers.workload import Workload


def heft(workload: Workload, memory_mb: int, processors: int) -> tuple[list[int], list[float]]:
    """Task → processor, and task → start."""
    dag = workload.dag
    seconds = workload.seconds(memory_mb).tolist()
    up, down = workload.upload, workload.download
    move = [up.at(size) + down.at(size) if size else 0.0 for size in workload.output_bytes.tolist()]
    inputs = [
        dag.inputs[dag.input_offsets[task] : dag.input_offsets[task + 1]].tolist()
        for task in range(dag.tasks)
    ]
    rank = list(seconds)
    for task in range(dag.tasks - 1, -1, -1):
        for one in inputs[task]:
            rank[one] = max(rank[one], seconds[one] + move[one] + rank[task])
    processor_of, start_of, end_of = [0] * dag.tasks, [0.0] * dag.tasks, [0.0] * dag.tasks
    busy: list[list[tuple[float, float]]] = [[] for _ in range(processors)]
    for task in sorted(range(dag.tasks), key=lambda one: (-rank[one], one)):
        best, start = 0, float("inf")
        for processor in range(processors):
            ready = max(
                (
                    end_of[one] + (move[one] if processor_of[one] != processor else 0.0)
                    for one in inputs[task]
                ),
                default=0.0,
            )
            found = gap(busy[processor], ready, seconds[task])
            if found < start:
                best, start = processor, found
        processor_of[task], start_of[task], end_of[task] = best, start, start + seconds[task]
        busy[best].append((start, start + seconds[task]))
        busy[best].sort()
    return processor_of, start_of


def gap(busy: list[tuple[float, float]], ready: float, seconds: float) -> float:
    """The earliest start from ``ready`` on that fits between what is there."""
    for start, end in busy:
        if ready + seconds <= start:
            return ready
        ready = max(ready, end)
    return ready
