"""``python -m benchmarks compare``: every peer on the same graphs, in turns."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.backends import BACKENDS
from benchmarks.backends.base import Backend
from benchmarks.environment import same_dask_settings
from benchmarks.graphs import GRAPHS, Graph
from benchmarks.peers import PEERS, SERVERLESS, PeerMissing, open_peer
from benchmarks.rounds import Effort, measure, warm_up
from benchmarks.samples import LIMIT, Table

FULL = {"repeat": 5, "cell_seconds": 5.0}
QUICK = {"repeat": 3, "cell_seconds": 1.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--backend", choices=BACKENDS, default="local", help="local or docker")
    parser.add_argument("--quick", action="store_true", help="fewer repeats, some five minutes")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all samples there")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"{', '.join(GRAPHS)}, or starts")
    parser.add_argument("--peers", nargs="+", choices=PEERS, metavar="NAME", help=", ".join(PEERS))
    parser.add_argument("--repeat", type=int, help="rounds (5, with --quick 3)")
    parser.add_argument("--containers", type=int, default=2, help="and workers of the others (2)")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, and say by the exit code whether the project's own scheduler worked."""
    warnings.filterwarnings("ignore")
    same_dask_settings()
    backend = importlib.import_module(f"benchmarks.backends.{arguments.backend}").BACKEND
    chosen_graphs, starts = graphs(arguments.only, backend)
    table = Table()
    names = chosen_peers(arguments, backend)
    chosen = effort(arguments)
    print(f"{machine()}; {chosen.containers} containers; median ± half the spread (samples)\n")
    with running(names, chosen.containers, backend) as schedulers:
        print(report.header(list(schedulers)))
        for graph in chosen_graphs:
            measure(graph, asked(graph, schedulers, arguments.quick), table, chosen)
            print(report.seconds_row(table, graph.name, list(schedulers)), flush=True)
    # The others have stopped: one that idles would take time from the processes that start.
    peers = list(schedulers)
    if starts:
        backend.measure_start(peers, table, chosen)
        for start in backend.starts:
            print(report.seconds_row(table, start, peers))
    finish(table, peers, arguments.json, backend)
    return exit_code(table, SERVERLESS in names)


def effort(arguments: argparse.Namespace) -> Effort:
    base = QUICK if arguments.quick else FULL
    return Effort(
        repeat=arguments.repeat or int(base["repeat"]),
        cell_seconds=base["cell_seconds"],
        containers=arguments.containers,
    )


def chosen_peers(arguments: argparse.Namespace, backend: Backend) -> list[str]:
    """The peers that were named, or else all but those too slow for a quick comparison."""
    there = backend.peers
    if arguments.peers:
        if elsewhere := [name for name in arguments.peers if name not in there]:
            known = ", ".join(there)
            raise SystemExit(f"{', '.join(elsewhere)}: not on {arguments.backend} ({known} are)")
        return list(arguments.peers)
    absent = [name for name, peer in there.items() if arguments.quick and not peer.quick]
    for name in absent:
        print(f"without {name}: too slow for a quick comparison, unless --peers names it")
    return [name for name in there if name not in absent]


def graphs(only: Sequence[str] | None, backend: Backend) -> tuple[list[Graph], bool]:
    """Which ones to measure, and whether starts are to be measured, too."""
    known = [*GRAPHS, *backend.starts]
    if unknown := [name for name in only or () if name not in known]:
        raise SystemExit(f"--only {', '.join(unknown)}: there are {', '.join(known)}")
    wanted = known if only is None else only
    starts = any(name in backend.starts for name in wanted)
    return [graph for name, graph in GRAPHS.items() if name in wanted], starts


def asked(graph: Graph, schedulers: dict[str, Any], quick: bool) -> dict[str, Any]:
    """Who is measured on this graph."""
    without = graph.quick_without if quick else ()
    return {name: scheduler for name, scheduler in schedulers.items() if name not in without}


@contextmanager
def running(names: Sequence[str], containers: int, backend: Backend) -> Iterator[dict[str, Any]]:
    """Start the peers that are here. Only the absence of the project's own is an error."""
    with ExitStack() as stack:
        schedulers = {}
        for name in names:
            try:
                schedulers[name] = stack.enter_context(open_peer(name, containers, backend.peers))
            except PeerMissing as missing:
                if name == SERVERLESS:
                    raise SystemExit(f"{missing}: nothing to compare") from missing
                print(f"without {name}: {missing}")
        for scheduler in schedulers.values():
            warm_up(scheduler)
        yield schedulers


def machine() -> str:
    """What a reader must know to compare this run with another one."""
    versions = " ".join(f"{name} {version(name)}" for name in ("dask", "numpy", "pandas"))
    load = os.getloadavg()[0]
    python = platform.python_version()
    return f"Python {python}, {versions}; {os.cpu_count()} cores, load before the run {load:.1f}"


def finish(table: Table, peers: Sequence[str], file: Path | None, backend: Backend) -> None:
    """Everything that is said about the whole of the run."""
    sections = [report.ratio_rows(table, peers), report.limit_rows(table)]
    if SERVERLESS in peers:
        sections += [report.own_rows(table), backend.start_rows(table)]
        sections.append(report.target_rows(table, backend.targets))
    for section in sections:
        print("", *section, sep="\n")
    for graph, cells in table.cells.items():
        for name, cell in cells.items():
            if cell.failure:
                print(f"\n{graph}, {name}: {cell.failure}")
    if file:
        file.write_text(json.dumps(as_json(table, backend), indent=1))


def as_json(table: Table, backend: Backend) -> dict[str, Any]:
    return {
        "machine": machine(),
        "families": table.families,
        "graphs": {
            graph: {name: asdict(cell) for name, cell in cells.items()}
            for graph, cells in table.cells.items()
        },
        "targets": [report.judge(target, table) for target in backend.targets],
    }


def exit_code(table: Table, own_asked: bool) -> int:
    """A missed target is a finding; a failure of the project's own scheduler is an error."""
    own = [cells[SERVERLESS] for cells in table.cells.values() if SERVERLESS in cells]
    broken = any(cell.failure for cell in own) or any(
        cells[LIMIT].failure for cells in table.cells.values() if LIMIT in cells
    )
    return int(broken or (own_asked and not own))
