"""How right and how large simulations are: against the timeline model, and a million tasks."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.dags import DAGS
from benchmarks.planner_quality import CONTAINERS, workload_of
from benchmarks.planner_speed import large, numbers
from benchmarks.verdicts import Verdict, table, verdict_lines
from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.simulation import Simulation, simulate
from planners.cost.platform import Platform
from planners.cost.timeline import predict_timeline
from planners.list_schedule import ListSchedule
from planners.non_uniform import best_memory
from planners.numbers.predictions import Constant
from planners.numbers.workload import Workload
from planners.plans.plan import Planner, Resources
from planners.structural import Structural
from planners.uniform import Uniform
from planners.wukong import Wukong

TASKS, MANY, WIDTH = 1_000_000, 10_000, 30_000  # width: tasks in a layer of the large graph
QUICK = 10  # of all that, one in so many
SHOWN = 12  # of the graphs that differ most


@dataclass(frozen=True)
class Row:
    """One graph and planner, by the timeline model and by the simulator."""

    graph: str
    planner: str
    timeline: float  # seconds
    simulator: float
    overtaken: int  # bundles that began after a later one of their slot
    moved: int  # bundles that ran elsewhere than most of their slot
    vain: int  # starts of containers that found nothing to do

    @property
    def difference(self) -> float:
        return self.simulator / self.timeline - 1


@dataclass(frozen=True)
class Size:
    """What one simulation took."""

    planner: str
    tasks: int
    bundles: int
    containers: int
    seconds: float
    processor_seconds: float  # fewer where others use the machine
    peak_bytes: int  # of the whole process, with graph and plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="a tenth of the graphs and tasks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")


def run(arguments: argparse.Namespace) -> None:
    share = QUICK if arguments.quick else 1
    sizes = [apart(planner, TASKS // share, MANY // share) for planner in (Structural, Wukong)]
    print(table([_shown_size(size) for size in sizes]))
    rows = [row for name in list(DAGS)[::share] for row in agreement(name)]
    print("\n" + table([_shown_planner(name, rows) for name in dict.fromkeys(planners(rows))]))
    most = sorted(rows, key=lambda row: -abs(row.difference))[:SHOWN]
    print("\n" + table([_shown_row(row) for row in most]))
    verdicts = verdicts_of(sizes, rows)
    print("\n" + "\n".join(verdict_lines(verdicts)))
    if arguments.json:
        value = {
            "sizes": [asdict(size) for size in sizes],
            "graphs": [asdict(row) for row in rows],
            "verdicts": [verdict.to_json() for verdict in verdicts],
        }
        arguments.json.write_text(json.dumps(value, indent=1))


def apart(planner: type[Planner], tasks: int, containers: int) -> Size:
    """In a process of its own, whose memory is that of this one simulation."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(size_of, planner, tasks, containers).result()


def size_of(planner: type[Planner], tasks: int, containers: int) -> Size:
    dag = large(tasks, WIDTH * tasks // TASKS)
    workload = Workload.predict(dag, numbers())
    plan = planner().plan(dag, Resources(containers))
    begun, processor = time.perf_counter(), time.process_time()
    simulate(workload, plan, BackendModel(containers=containers))
    return Size(
        plan.planner,
        tasks,
        len(plan.slots),
        containers,
        time.perf_counter() - begun,
        time.process_time() - processor,
        peak_bytes(),
    )


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def agreement(name: str) -> list[Row]:
    workload, predictions = workload_of(DAGS[name]())
    platform = Platform()
    memory = best_memory(workload, platform)
    resources = Resources(CONTAINERS, memory)
    model = BackendModel.of(platform, workload, CONTAINERS, memory)
    rows = []
    for planner in planners_by(predictions):
        plan = planner.plan(workload.dag, resources)
        timeline = predict_timeline(plan, workload, platform, resources)
        simulated = simulate(workload, plan, model, platform)
        seconds = timeline.makespan_seconds, simulated.makespan_seconds
        strayed = overtaken(simulated), moved(simulated)
        rows.append(Row(name, planner.name, *seconds, *strayed, simulated.vain))
    return rows


def planners_by(predictions: Constant) -> list[Planner]:
    return [Wukong(), Structural(), Uniform(predictions), ListSchedule(predictions)]


def planners(rows: list[Row]) -> list[str]:
    return [row.planner for row in rows]


def overtaken(simulation: Simulation) -> int:
    """Bundles of a slot are taken as they become ready, not in the order of their ids."""
    slots, latest, count = simulation.plan.slots.tolist(), dict[int, int](), 0
    for bundle in np.argsort(simulation.begun, kind="stable").tolist():
        if slots[bundle] >= 0:
            count += bundle < latest.get(slots[bundle], -1)
            latest[slots[bundle]] = max(bundle, latest.get(slots[bundle], -1))
    return count


def moved(simulation: Simulation) -> int:
    """A container that has nothing to do takes over slots whose own container is busy."""
    slots, count = simulation.plan.slots, 0
    for slot in np.unique(slots[slots >= 0]).tolist():
        counts = np.bincount(simulation.container[slots == slot])
        count += int(counts.sum() - counts.max())
    return count


def verdicts_of(sizes: list[Size], rows: list[Row]) -> list[Verdict]:
    found = []
    for size in sizes:
        what = f"{size.tasks:,} tasks on {size.containers:,} containers, {size.planner}"
        found.append(Verdict(what, size.processor_seconds, 120, unit="s of one core"))
        found.append(
            Verdict(f"memory of that, {size.planner}", size.peak_bytes / 1e9, 2, unit="GB")
        )
    differences = [abs(row.difference) for row in rows]
    what = f"simulator by timeline, difference, median of {len(rows)}"
    return [*found, Verdict(what, 100 * median(differences), 3, unit="%")]


def _shown_size(size: Size) -> dict[str, object]:
    return {
        "planner": size.planner,
        "tasks": f"{size.tasks:,}",
        "bundles": f"{size.bundles:,}",
        "containers": f"{size.containers:,}",
        "seconds": f"{size.seconds:.1f}",
        "of one core": f"{size.processor_seconds:.1f}",
        "µs a bundle": f"{size.processor_seconds / size.bundles * 1e6:.0f}",
        "memory": f"{size.peak_bytes / 1e9:.2f} GB",
    }


def _shown_planner(name: str, rows: list[Row]) -> dict[str, object]:
    mine = sorted(row.difference for row in rows if row.planner == name)
    apart = sorted(map(abs, mine))
    return {
        "planner": name,
        "graphs": len(mine),
        "median apart": f"{median(apart):.2%}",
        "nine of ten": f"{apart[int(0.9 * len(apart))]:.1%}",
        "simulator at the earliest": f"{mine[0]:+.1%}",
        "at the latest": f"{mine[-1]:+.1%}",
    }


def _shown_row(row: Row) -> dict[str, object]:
    return {
        "graph": row.graph,
        "planner": row.planner,
        "timeline": f"{row.timeline:.1f} s",
        "simulator": f"{row.simulator:.1f} s",
        "difference": f"{row.difference:+.1%}",
        "overtaken": row.overtaken,
        "moved": row.moved,
        "in vain": row.vain,
    }
