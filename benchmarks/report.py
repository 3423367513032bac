"""Printing: a table of seconds, one of ratios, and the targets with what was reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.peers import SERVERLESS
from benchmarks.samples import LIMIT, Cell, Table
from benchmarks.targets import TARGETS, Target, added_client_seconds, calls_per_bundle

ABSENT = "–"
CELL_WIDTH = 20


def number(value: float | None, suffix: str = "") -> str:
    """Three significant digits."""
    if value is None:
        return ABSENT
    return f"{value:.{max(0, 2 - len(str(int(abs(value)))) + 1)}f}{suffix}"


def duration(seconds: float) -> str:
    for scale, unit in ((1.0, "s"), (1e3, "ms")):
        if seconds * scale >= 1:
            return f"{number(seconds * scale)} {unit}"
    return f"{number(seconds * 1e6)} µs"


def cell_text(cell: Cell | None) -> str:
    """The median, how far the samples lie apart, and of how many samples."""
    if cell is None:
        return ABSENT
    if cell.failure:
        return "FAILED"
    if not cell.samples:
        return ABSENT
    return f"{duration(cell.seconds)} ±{cell.spread / 2:.0%} ({len(cell.samples)})"


def row(title: str, cells: Sequence[str]) -> str:
    return f"{title:<15}" + "".join(f"{cell:>{CELL_WIDTH}}" for cell in cells)


def header(peers: Sequence[str]) -> str:
    return row("graph", [*peers, LIMIT, "tasks"])


def seconds_row(table: Table, graph: str, peers: Sequence[str]) -> str:
    """One graph: every peer's median time."""
    cells = table.cells.get(graph, {})
    limit = table.measured(graph, LIMIT)
    tasks = f"{limit.number('tasks') or 0:,.0f}" if limit else ABSENT
    return row(graph, [*(cell_text(cells.get(peer)) for peer in (*peers, LIMIT)), tasks])


def ratio_rows(table: Table, peers: Sequence[str]) -> Iterator[str]:
    """How many times longer than the project's own scheduler everybody takes."""
    base = SERVERLESS if SERVERLESS in peers else LIMIT
    others = [peer for peer in (*peers, LIMIT) if peer != base]
    yield row(f"÷ {base}", others)
    for graph in table.families:
        yield row(graph, [number(table.ratio(graph, peer, base), " ×") for peer in others])


def limit_rows(table: Table) -> Iterator[str]:
    """What the limit is made of."""
    yield row("limit", ["materialise", "bare loop", "loop a task"])
    for graph in table.families:
        if limit := table.measured(graph, LIMIT):
            loop, tasks = limit.number("loop") or 0.0, limit.number("tasks") or 1.0
            parts = [limit.number("materialise") or 0.0, loop, loop / tasks]
            yield row(graph, [duration(part) for part in parts])


def own_rows(table: Table) -> Iterator[str]:
    """What the project's own scheduler says about its runs."""
    yield row(SERVERLESS, ["bundles", "calls a bundle", "added a task", "client cpu a task"])
    for graph in table.families:
        cell = table.measured(graph, SERVERLESS)
        if cell and table.measured(graph, LIMIT):
            counts = [number(cell.number("bundles")), number(calls_per_bundle(cell))]
            times = [added_client_seconds(table, graph), client_cpu(table, graph)]
            shown = [ABSENT if seconds is None else duration(seconds) for seconds in times]
            yield row(graph, [*counts, *shown]) + "  " + phases(cell)


def client_cpu(table: Table, graph: str) -> float | None:
    """All processor time of the client's process for a task, Dask's own part included."""
    own, limit = table.measured(graph, SERVERLESS), table.measured(graph, LIMIT)
    return own.client_seconds / (limit.number("tasks") or 1) if own and limit else None


def phases(cell: Cell) -> str:
    names = ("materialise", "translate", "plan", "encode", "submit", "wait", "collect")
    found = {name: seconds for name in names if (seconds := cell.number(name)) is not None}
    return " · ".join(f"{name} {duration(seconds)}" for name, seconds in found.items())


def judge(target: Target, table: Table) -> dict[str, Any]:
    """One target as a plain value: what decides, and the verdict."""
    values = target.measure(table)
    worst = target.worst(values) if values else None
    verdict = "not measured" if worst is None else "pass" if target.met(values[worst]) else "miss"
    return {
        "title": target.title,
        "bound": f"{'≥' if target.at_least else '≤'} {target.bound:g}",
        "values": dict(values),
        "worst": worst,
        "verdict": verdict,
    }


def target_rows(table: Table, targets: Sequence[Target] = TARGETS) -> Iterator[str]:
    """The verdicts; of several graphs the worst decides, and all that miss are named."""
    for target in targets:
        found = judge(target, table)
        line = f"{target.title:<44} {found['bound']:>6}  {found['verdict']:<12}"
        short = sorted(target.measure(table).items(), key=lambda item: item[1])
        missed = [f"{graph} {number(value)}" for graph, value in short if not target.met(value)]
        if found["worst"]:
            line += f"  worst: {found['worst']} {number(found['values'][found['worst']])}"
        yield line + (f"  missed by {', '.join(missed)}" if len(missed) > 1 else "")
