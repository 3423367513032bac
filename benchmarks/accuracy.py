"""Whether plans come true: forecasts by what runs have taught, beside what was measured."""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.compare import machine
from benchmarks.environment import same_dask_settings
from benchmarks.graphs import GRAPHS, Graph
from benchmarks.graphs.mixed import UNEQUAL, WORKFLOWS
from benchmarks.learner import Learner, Outcome, Ratio, Side, in_turns, learning
from benchmarks.settle import settle
from benchmarks.verdicts import Verdict, table, verdict_lines
from dask_serverless.errors import PlanRefused

LEARNING_RUNS = 3
SLA = 90
DEADLINES = (1.0, 1.1, 1.3)  # by the forecast of the fastest plan
QUICK_GRAPHS = ("tree-8192", "one-task", "add-transpose", "map-overlap", "foldby")


@dataclass(frozen=True)
class Effort:
    """How many runs of each kind, for each graph."""

    judged: int  # whose forecasts are compared with what came
    held: int  # at SLA 90
    rounds: int  # of auto and structural in turns
    goals: int  # for each deadline and budget
    measuring: int  # rounds with measuring on and off


FULL = Effort(judged=7, held=40, rounds=9, goals=10, measuring=40)
QUICK = Effort(judged=3, held=12, rounds=5, goals=4, measuring=15)


@dataclass
class Row:
    """One graph."""

    name: str
    family: str
    tasks: int = 0
    seconds: float = 0.0
    error: float = 0.0
    scatter: float = 0.0  # error of the best number that is the same for all of those runs
    held: int = 0
    of: int = 0
    by_structural: Ratio = Ratio(0.0, 0.0)  # wall time of auto, by that of structural
    at_best: float = 0.0  # the same of a plan that leaves no container idle for a moment
    kept: int = 0  # deadlines and budgets
    accepted: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = [*GRAPHS, *WORKFLOWS]
    parser.add_argument("--quick", action="store_true", help="fewer graphs and runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--containers", type=int, default=2)


def run(arguments: argparse.Namespace) -> None:
    warnings.filterwarnings("ignore")
    same_dask_settings()
    effort = QUICK if arguments.quick else FULL
    chosen = graphs(arguments.only, arguments.quick)
    print(f"{machine()}; {arguments.containers} containers\n")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "history")
        with (
            learning(arguments.containers, path) as learner,
            learning(arguments.containers, False) as plain,
        ):
            rows = [judged(graph, learner, plain, effort) for graph in chosen]
            ratios = measuring([g for g in chosen if g.family == "fine"], learner, plain, effort)
    print("\n" + table([shown(row) for row in rows]))
    if ratios:
        told = [{"measuring on by off": shown_ratio(r), "graph": g} for g, r in ratios.items()]
        print("\n" + table(told))
    verdicts = verdicts_of(rows, ratios)
    print("\n" + "\n".join(verdict_lines(verdicts)))
    if arguments.json:
        value = {
            "machine": machine(),
            "graphs": [asdict(row) for row in rows],
            "measuring": {name: asdict(ratio) for name, ratio in ratios.items()},
            "verdicts": [verdict.to_json() for verdict in verdicts],
        }
        arguments.json.write_text(json.dumps(value, indent=1))


def graphs(only: Sequence[str] | None, quick: bool) -> list[Graph]:
    every = {**GRAPHS, **WORKFLOWS}
    names = only or ([*QUICK_GRAPHS, *WORKFLOWS] if quick else list(every))
    return [every[name] for name in names]


def judged(graph: Graph, learner: Learner, plain: Learner, effort: Effort) -> Row:
    """All that is asked of one graph, whose functions are known after three runs."""
    row = Row(graph.name, graph.family)
    for _ in range(LEARNING_RUNS):
        learner.run(graph)
    gc.collect()
    settle()
    forecasts = [learner.run(graph) for _ in range(effort.judged)]
    row.seconds = median(outcome.seconds for outcome in forecasts)
    row.error = median(outcome.error for outcome in forecasts)
    row.scatter = scatter(forecasts)
    report = learner.last_run
    row.tasks = report.tasks if report is not None else 0
    promised = [learner.run(graph, sla=SLA) for _ in range(effort.held)]
    row.held, row.of = sum(outcome.held for outcome in promised), len(promised)
    row.by_structural, row.at_best = by_structural(graph, learner, plain, effort.rounds)
    goals(row, graph, learner, effort.goals)
    print(", ".join(f"{name} {value}" for name, value in shown(row).items()), flush=True)
    return row


def by_structural(
    graph: Graph, learner: Learner, plain: Learner, rounds: int
) -> tuple[Ratio, float]:
    """``auto`` that knows the tasks, planning included, by ``structural`` that does not; and what
    the time of structural's tasks on all containers leaves possible.
    """
    auto, structural = Side(learner, "auto"), Side(plain, "structural")
    ratio = in_turns(graph, auto, structural, rounds * graph.times)
    return ratio, median(one.at_best / one.wall for one in structural.outcomes)


def scatter(outcomes: Sequence[Outcome]) -> float:
    middle = median(outcome.seconds for outcome in outcomes)
    return median(abs(outcome.seconds - middle) / outcome.seconds for outcome in outcomes)


def goals(row: Row, graph: Graph, learner: Learner, runs: int) -> None:
    """Deadlines and budgets near what is possible; one that no plan meets counts for nothing."""
    possible = learner.run(graph, sla=SLA).forecast
    assert possible is not None
    for share in DEADLINES:
        for _ in range(runs):
            limit = possible.makespan_seconds * share
            if (outcome := accepted(graph, learner, deadline=limit)) is not None:
                row.accepted += 1
                row.kept += outcome.seconds <= limit
            limit = possible.cost * share
            if (outcome := accepted(graph, learner, budget=limit)) is not None:
                row.accepted += 1
                row.kept += outcome.cost <= limit


def accepted(graph: Graph, learner: Learner, **goal: float) -> Outcome | None:
    try:
        return learner.run(graph, sla=SLA, **goal)
    except PlanRefused:
        return None


def measuring(
    fine: Sequence[Graph], learner: Learner, plain: Learner, effort: Effort
) -> dict[str, Ratio]:
    """Time with measuring on, by that with it off; the plan is the same."""
    return {
        graph.name: in_turns(
            graph,
            Side(learner, "structural"),
            Side(plain, "structural"),
            effort.measuring * graph.times,
        )
        for graph in fine
    }


def verdicts_of(rows: Sequence[Row], ratios: dict[str, Ratio]) -> list[Verdict]:
    held = 100 * sum(row.held for row in rows) / max(sum(row.of for row in rows), 1)
    kept = 100 * sum(row.kept for row in rows) / max(sum(row.accepted for row in rows), 1)
    slowest = max(rows, key=lambda row: row.by_structural.surely)
    scattered = 100 * median(row.scatter for row in rows)
    error = f"forecast against measured (equal runs are {scattered:.0f} % from their middle)"
    return [
        Verdict(error, 100 * median(row.error for row in rows), 10, unit="%"),
        Verdict(f"plans at SLA {SLA} that hold, at least", held, 85, at_least=True, unit="%"),
        Verdict(f"plans at SLA {SLA} that hold, at most", held, 95, unit="%"),
        Verdict(
            f"auto by structural, surely, worst: {slowest.name}",
            slowest.by_structural.surely,
            1.03,
        ),
        *[unequal(row) for row in rows if row.family == UNEQUAL],
        Verdict("accepted deadlines and budgets kept", kept, 90, at_least=True, unit="%"),
        *[
            Verdict(f"measuring on by off, surely: {graph}", ratio.surely, 1.02)
            for graph, ratio in ratios.items()
        ],
    ]


def unequal(row: Row) -> Verdict:
    what = f"auto by structural, very unequal tasks: {row.name}"
    return Verdict(f"{what} (no plan below {row.at_best:.2f})", row.by_structural.value, 0.8)


def shown(row: Row) -> dict[str, object]:
    return {
        "graph": row.name,
        "tasks": row.tasks,
        "seconds": f"{row.seconds:.4f}",
        "error": f"{row.error:.1%}",
        "of equal runs": f"{row.scatter:.1%}",
        "held": f"{row.held} of {row.of}",
        "auto by structural": shown_ratio(row.by_structural),
        "at best": f"{row.at_best:.2f}",
        "goals kept": f"{row.kept} of {row.accepted}",
    }


def shown_ratio(ratio: Ratio) -> str:
    return f"{ratio.value:.3f} ± {ratio.give_or_take:.3f}"
