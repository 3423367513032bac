"""``python -m benchmarks dataplane``: bytes, calls and time on graphs with large outputs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.classic.scheduler import Classic
from benchmarks.dataplane.each import Effect, effects
from benchmarks.dataplane.fine import overhead
from benchmarks.dataplane.graphs import LARGE, OUTPUT_BYTES
from benchmarks.dataplane.measuring import Cell, Measured, in_turns
from benchmarks.network.apart import Apart
from benchmarks.network.proxy import Proxy
from benchmarks.report import duration
from benchmarks.units import rate, seconds
from benchmarks.verdicts import Verdict, table, verdict_lines
from dask_serverless import Serverless
from dask_serverless.store.embedded import EmbeddedStore
from dask_serverless.values import OPTIMIZATIONS
from planners.cost.model import CostModel
from planners.cost.platform import Platform
from planners.numbers.predictions import Constant
from planners.optimizations.optimization import ALL, Optimized
from planners.wukong import Wukong

CONTAINERS = 8
REPEAT = 3
CLASSIC, DEFAULT, WUKONG, OPTIMIZED = "classic", "structural", "wukong", "wukong, optimized"
WUKONGS = ("clustering", "delayed_io")  # optimizations of its own
FEWER_BYTES, FEWER_CALLS = 10.0, 5.0

Cells = Mapping[str, Mapping[str, Cell]]  # graph → scheduler → measures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store-rtt", type=seconds, default=0.001, metavar="TIME", help="(1ms)")
    parser.add_argument(
        "--rate", type=rate, default=100e6, metavar="BYTES", help="a second and connection (100MB)"
    )
    parser.add_argument("--containers", type=int, default=CONTAINERS)
    parser.add_argument("--repeat", type=int, default=REPEAT)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=LARGE,
        metavar="NAME",
        help=f"graphs, and no optimization by itself: {', '.join(LARGE)}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")


def run(arguments: argparse.Namespace) -> None:
    graphs = arguments.only or list(LARGE)
    with EmbeddedStore() as store, ExitStack() as stack:
        peers = opened(store.wait_ready(), arguments, stack)
        cells = {name: in_turns(LARGE[name], peers, arguments.repeat) for name in graphs}
        late = {name: peer.proxy.figures.lateness for name, peer in peers.items()}
        stack.close()  # their containers would take time from the others'
        found = [] if arguments.only else list(each(store.url, arguments))
        costs = [] if arguments.only else overhead()
    print(
        table([_shown(graph, name, cell) for graph in cells for name, cell in cells[graph].items()])
    )
    print(f"\nproxies passed on {duration(max(late.values()))} late at most, on average of a piece")
    if found:
        print("\n" + table([effect.shown() for effect in found]))
    verdicts = [*verdicts_of(cells), *(v for effect in found for v in effect.verdicts()), *costs]
    print("\n" + "\n".join(verdict_lines(verdicts)))
    if arguments.json:
        value = {
            "graphs": {g: {n: asdict(c) for n, c in row.items()} for g, row in cells.items()},
            "each": [asdict(effect) for effect in found],
            "verdicts": [verdict.to_json() for verdict in verdicts],
        }
        arguments.json.write_text(json.dumps(value, indent=1))


def each(store: str, arguments: argparse.Namespace) -> Iterator[Effect]:
    return effects(store, arguments.store_rtt, arguments.rate, arguments.repeat)


def opened(store: str, arguments: argparse.Namespace, stack: ExitStack) -> dict[str, Measured]:
    """Each scheduler behind a proxy of its own."""
    peers = {}
    for name, make in schedulers(arguments.containers).items():
        proxy = stack.enter_context(
            Proxy(store, rtt_seconds=arguments.store_rtt, bytes_per_second=arguments.rate)
        )
        scheduler = make(proxy.url)
        stack.callback(scheduler.close)
        peers[name] = Measured(scheduler, proxy)
    return peers


def schedulers(containers: int) -> dict[str, Callable[[str], Any]]:
    def engine(planner: Any, optimizations: str = "none") -> Callable[[str], Any]:
        return lambda url: Serverless(
            store=url, backend=Apart(containers), planner=planner, optimizations=optimizations
        )

    found = {DEFAULT: engine("structural", "all"), WUKONG: engine("wukong")}
    if chosen := tuple(one for one in ALL if one.name in WUKONGS and one.name in OPTIMIZATIONS):
        found[OPTIMIZED] = engine(Optimized(Wukong(), chosen, model()), "all")
    return {**found, CLASSIC: lambda url: Classic(url, containers)}


def model() -> CostModel:
    """What a history would know of these graphs' functions."""
    numbers = Constant(task_seconds=0.005, task_output_bytes=100, output_bytes_of=OUTPUT_BYTES)
    return CostModel(numbers, Platform(warm=((1769, CONTAINERS),)))


def verdicts_of(cells: Cells) -> list[Verdict]:
    return [verdict for graph, row in cells.items() for verdict in verdicts_on(graph, row)]


def verdicts_on(graph: str, row: Mapping[str, Cell]) -> list[Verdict]:
    ours = OPTIMIZED if OPTIMIZED in row else DEFAULT
    found = [
        fewer("bytes", nbytes, graph, row, CLASSIC, ours, FEWER_BYTES),
        fewer("calls", calls, graph, row, CLASSIC, ours, FEWER_CALLS),
    ]
    if ours == OPTIMIZED:
        found.insert(0, fewer("bytes", nbytes, graph, row, WUKONG, ours, FEWER_BYTES))
    return found


def fewer(
    what: str, of: Callable[[Cell], float], graph: str, row: Mapping[str, Cell],
    over: str, under: str, target: float,
) -> Verdict:  # fmt: skip
    title = f"{graph}: {what} of {over!r} by those of {under!r}"
    return Verdict(title, of(row[over]) / of(row[under]), target, at_least=True)


def nbytes(cell: Cell) -> float:
    return cell.nbytes


def calls(cell: Cell) -> float:
    return cell.calls


def _shown(graph: str, name: str, cell: Cell) -> dict[str, object]:
    return {
        "graph": graph,
        "scheduler": name,
        "seconds": duration(cell.seconds),
        "through the store": f"{cell.nbytes / 1e6:,.1f} MB",
        "calls": f"{cell.calls:,.0f}",
    }
