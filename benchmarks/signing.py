"""``python -m benchmarks signing``: what it costs that nothing unsigned is unpickled."""

from __future__ import annotations

import argparse
import json
import secrets
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask

from benchmarks.environment import same_dask_settings
from benchmarks.graphs import GRAPHS, Graph
from benchmarks.learner import SURE, Ratio
from benchmarks.report import duration
from benchmarks.settle import settle
from benchmarks.verdicts import Verdict, table, verdict_lines
from dask_serverless import Serverless

SECONDS = 30.0  # for each graph
LEAST = 5  # pairs, however long they take,
AGREED = 20  # and before they can be said to agree: five do by chance
MOST = 1.03


@dataclass(frozen=True)
class Row:
    """One graph by both, in pairs."""

    graph: str
    signed: list[float]
    unsigned: list[float]

    @property
    def ratio(self) -> Ratio:
        return Ratio.of(
            [one / other for one, other in zip(self.signed, self.unsigned, strict=True)]
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", nargs="+", choices=sorted(GRAPHS), metavar="NAME", default=None)
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="for each graph, unless pairs agree before"
    )
    parser.add_argument("--containers", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there, too")


def run(arguments: argparse.Namespace) -> None:
    """Both on the private store, which signs only where there is a secret: all else is the same."""
    warnings.filterwarnings("ignore")
    same_dask_settings()
    with (
        Serverless(containers=arguments.containers, planner="structural") as unsigned,
        Serverless(
            containers=arguments.containers, planner="structural", secret=secrets.token_hex(32)
        ) as signed,
    ):
        rows = [
            pairs(GRAPHS[name], signed, unsigned, arguments.seconds)
            for name in arguments.only or GRAPHS
        ]
    print(table([shown(row) for row in rows]))
    verdicts = [
        Verdict(f"time of {row.graph} signed by unsigned, surely", row.ratio.surely, MOST)
        for row in rows
    ]
    print("\n" + "\n".join(verdict_lines(verdicts)))
    if arguments.json:
        told = {"rows": [vars(row) for row in rows], "verdicts": [v.to_json() for v in verdicts]}
        arguments.json.write_text(json.dumps(told, indent=1))


def pairs(graph: Graph, signed: Any, unsigned: Any, most_seconds: float) -> Row:
    """Each on the same input, the first to go in turns; the first pair warms up."""
    row, number, end = Row(graph.name, [], []), 0, time.monotonic() + most_seconds
    while True:
        sides = [(signed, row.signed), (unsigned, row.unsigned)]
        settle()
        for scheduler, taken in sides if number % 2 else reversed(sides):
            spent = timed(graph, number, scheduler)
            if number:
                taken.append(spent)
        number += 1
        over = number > LEAST and time.monotonic() > end
        if over or (number > AGREED and row.ratio.give_or_take <= SURE / 2):
            return row


def timed(graph: Graph, seed: int, scheduler: Any) -> float:
    spent = 0.0
    for again in range(graph.times):
        collection = graph.build(1000 * seed + again)
        begun = time.perf_counter()
        dask.compute(collection, scheduler=scheduler)
        spent += time.perf_counter() - begun
    return spent


def shown(row: Row) -> dict[str, object]:
    ratio = row.ratio
    return {
        "graph": row.graph,
        "signed": duration(sorted(row.signed)[len(row.signed) // 2]),
        "unsigned": duration(sorted(row.unsigned)[len(row.unsigned) // 2]),
        "ratio": f"{ratio.value:.3f} ± {ratio.give_or_take:.3f}",
        "pairs": len(row.signed),
    }
