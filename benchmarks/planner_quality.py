"""How right and how fast planners are: 60 graphs, HEFT as the peer, then large graphs for speed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import planner_speed
from benchmarks.dags import DAGS, Workflow
from benchmarks.heft import heft
from benchmarks.verdicts import Verdict, table, verdict_lines
from planners.auto import Auto
from planners.cost.platform import Platform
from planners.cost.timeline import Timeline, lower_bound_seconds, predict_timeline
from planners.list_schedule import ListSchedule
from planners.non_uniform import NonUniform, best_memory
from planners.numbers.predictions import Constant
from planners.numbers.workload import Workload
from planners.plans.plan import Plan, Planner, Resources
from planners.simple import Simple
from planners.structural import Structural
from planners.uniform import Uniform
from planners.wukong import Wukong

CONTAINERS = 32
BYTES_PER_SECOND = 50e6  # of a container; what the graphs' communication ratios are about
LATENCY_SECONDS = 0.005
CHEAP = 0.2  # communication is cheap where moving all outputs takes this share of all work
IMBALANCED = 0.5  # containers of ``uniform`` wait for others for this share of their time


@dataclass(frozen=True)
class Row:
    """One graph. Times are relative to the lower bound."""

    name: str
    tasks: int
    communication: float  # seconds to move all outputs once, by seconds of all work
    waiting: float  # share of time that containers of uniform wait
    auto: float
    wukong: float
    simple: float
    structural: float
    uniform: float
    list_schedule: float
    heft: float
    saved: float  # GB-seconds of uniform that non_uniform gives back
    stretched: float  # makespan of non_uniform by that of uniform
    chosen: str

    @property
    def cheap(self) -> bool:
        return self.communication <= CHEAP

    @property
    def imbalanced(self) -> bool:
        return self.waiting >= IMBALANCED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument("--containers", type=int, default=CONTAINERS, help="that plans may use")
    parser.add_argument("--only", default="", help="graphs whose name contains this, no speed")


def run(arguments: argparse.Namespace) -> None:
    names = [name for name in DAGS if arguments.only in name]
    rows = [judge(name, DAGS[name], arguments.containers) for name in names]
    print(table([_shown(row) for row in rows]))
    verdicts = quality_verdicts(rows)
    if not arguments.only:
        verdicts += planner_speed.verdicts()
    print("\n".join(verdict_lines(verdicts)))
    if arguments.json:
        value = {
            "containers": arguments.containers,
            "graphs": [vars(row) for row in rows],
            "verdicts": [verdict.to_json() for verdict in verdicts],
        }
        arguments.json.write_text(json.dumps(value, indent=1))


def main(json_path: str | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    run(parser.parse_args(["--json", json_path] if json_path else []))


def workload_of(workflow: Workflow) -> tuple[Workload, Constant]:
    """Every task a function of its own, because the graphs say how long each one takes."""
    tasks = workflow.dag.tasks
    names = tuple(f"task-{task}" for task in range(tasks))
    dag = replace(workflow.dag, functions=np.arange(tasks, dtype=np.int32), function_names=names)
    predictions = Constant(
        seconds_of=dict(zip(names, workflow.seconds.tolist(), strict=True)),
        output_bytes_of=dict(zip(names, workflow.output_bytes.tolist(), strict=True)),
        peak_bytes_of=dict(zip(names, (workflow.memory_mb * 1e6).tolist(), strict=True)),
        transfer_latency_seconds=LATENCY_SECONDS,
        bytes_per_second=BYTES_PER_SECOND,
    )
    return Workload.predict(dag, predictions), predictions


def judge(name: str, make: Callable[[], Workflow], containers: int) -> Row:
    workload, predictions = workload_of(make())
    platform = Platform()
    memory = best_memory(workload, platform)
    resources = Resources(containers, memory)

    def timeline(planner: Planner) -> Timeline:
        return timed(planner.plan(workload.dag, resources))

    def timed(plan: Plan) -> Timeline:
        return predict_timeline(plan, workload, platform, resources)

    bound = lower_bound_seconds(workload, memory, platform, resources)
    auto = Auto(predictions).plan(workload.dag, Resources(containers))
    uniform, saving = timeline(Uniform(predictions)), timeline(NonUniform(predictions))
    peer = timed(heft_plan(workload, memory, containers))
    held = float((uniform.containers.ended - uniform.containers.alive).sum())
    moved = float(workload.output_bytes.sum()) / BYTES_PER_SECOND
    return Row(
        name=name,
        tasks=workload.dag.tasks,
        communication=moved / float(workload.seconds(memory).sum()),
        waiting=1 - float((uniform.finished - uniform.begun).sum()) / held,
        auto=timed(auto).makespan_seconds / bound,
        wukong=timeline(Wukong()).makespan_seconds / bound,
        simple=timeline(Simple()).makespan_seconds / bound,
        structural=timeline(Structural()).makespan_seconds / bound,
        uniform=uniform.makespan_seconds / bound,
        list_schedule=timeline(ListSchedule(predictions)).makespan_seconds / bound,
        heft=peer.makespan_seconds / bound,
        saved=1 - saving.gb_seconds / uniform.gb_seconds,
        stretched=saving.makespan_seconds / uniform.makespan_seconds,
        chosen=getattr(auto.annotations[0], "name", auto.planner),
    )


def heft_plan(workload: Workload, memory_mb: int, containers: int) -> Plan:
    """A bundle for each task, numbered by start, which is topological as no task is instant."""
    tasks = workload.dag.tasks
    processors, starts = heft(workload, memory_mb, min(containers, tasks))
    order = np.lexsort((np.arange(tasks), np.array(starts)))
    bundles = np.empty(tasks, dtype=np.int32)
    bundles[order] = np.arange(tasks, dtype=np.int32)
    slots = np.array(processors, dtype=np.int32)[order]
    plan = Plan("heft", bundles, slots, np.full(tasks, memory_mb, dtype=np.int32))
    plan.validate(workload.dag)
    return plan


def quality_verdicts(rows: list[Row]) -> list[Verdict]:
    cheap = [row.auto for row in rows if row.cheap]
    imbalanced = [row for row in rows if row.imbalanced]
    others = [row.auto / min(row.wukong, row.simple, row.uniform) for row in rows]
    peer = [row.list_schedule / row.heft for row in rows]
    count = f"{len(imbalanced)} graphs whose containers wait half their time"
    return [
        Verdict(
            f"auto by lower bound, median of {len(cheap)} cheap ones", median(cheap or [0]), 1.15
        ),
        Verdict("auto by best of wukong, simple, uniform, worst", max(others), 1.02),
        Verdict("list_schedule by HEFT, worst", max(peer), 1.0),
        Verdict("list_schedule by HEFT, median", median(peer), 1.0),
        Verdict(
            f"GB-seconds saved by non_uniform, median of {count}",
            median([row.saved for row in imbalanced] or [0]),
            0.2,
            at_least=True,
        ),
        Verdict(
            "share of those that save 20 %",
            float(np.mean([row.saved >= 0.2 for row in imbalanced] or [False])),
            1.0,
            at_least=True,
        ),
        Verdict(
            "makespan of non_uniform by uniform, worst", max(row.stretched for row in rows), 1.02
        ),
    ]


def _shown(row: Row) -> dict[str, object]:
    shown: dict[str, object] = {"graph": row.name, "tasks": row.tasks}
    for column in ("communication", "waiting", "auto", "wukong", "simple", "structural"):
        shown[column] = f"{getattr(row, column):.2f}"
    for column in ("uniform", "list_schedule", "heft", "saved", "stretched"):
        shown[column] = f"{getattr(row, column):.2f}"
    return {**shown, "chosen": row.chosen}
