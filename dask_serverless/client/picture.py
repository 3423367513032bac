"""What a notebook shows of a run: its numbers, and where the time of its containers went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

from dask_serverless.client.accounting import MIB
from dask_serverless.client.failed import first_line

if TYPE_CHECKING:
    from dask_serverless.client.report import RunReport

PARTS = {"fetch": "#e69f00", "run": "#009e73", "store": "#7a5195"}
WIDTH, ROW, NAMES = 640, 20, 170  # pixels
MOST_ROWS = 30


def picture(report: RunReport) -> str:
    facts = {
        **({"failed": first_line(report.error)} if report.error else {}),
        "tasks": f"{report.tasks:,}",
        "bundles": done_of(report),
        "containers": f"{len(report.containers)} ({report.cold_starts} cold)",
        "makespan": f"{report.makespan_seconds:.3f} s",
        "in all": f"{report.wall_seconds:.3f} s",
        "processor": f"{report.cpu_seconds:.3f} s",
        "most memory": f"{report.peak_bytes / MIB:,.0f} MiB",
        "paid for": f"{report.paid_gb_seconds:.3f} GB s, {report.cost:.7f}",
        "store": f"{report.store_calls:,} calls, {report.bytes_moved:,} bytes",
    }
    return f"<div>{table(facts.items())}{bars(report.containers)}</div>"


def done_of(report: RunReport) -> str:
    """Of a run that failed, as far as it is known."""
    done = f"{report.done_bundles:,} / " if report.error and report.containers else ""
    return f"{done}{report.bundles:,}"


def table(facts: Iterable[tuple[str, str]]) -> str:
    cells = "".join(
        f'<td style="text-align:left"><small>{escape(name)}</small><br/><b>{escape(value)}</b></td>'
        for name, value in facts
    )
    return f"<table><tr>{cells}</tr></table>"


def bars(containers: Mapping[str, Mapping[str, float]]) -> str:
    """A bar for each container: what it fetched, ran and stored, in one scale."""
    shown = sorted(containers.items())[:MOST_ROWS]
    longest = max((sum(c[part] for part in PARTS) for _, c in shown), default=0.0) or 1.0
    rows = "".join(bar(n, name, c, longest) for n, (name, c) in enumerate(shown))
    legend = "".join(
        f'<span style="color:{colour}">■</span> {part}&nbsp;&nbsp;'
        for part, colour in PARTS.items()
    )
    height = ROW * len(shown)
    return (
        f'<svg width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12" '
        f'fill="#6b7280">{rows}</svg><div><small>{legend}</small></div>'
    )


def bar(place: int, name: str, container: Mapping[str, float], longest: float) -> str:
    y, x, drawn = place * ROW, float(NAMES), ""
    for part, colour in PARTS.items():
        width = (WIDTH - NAMES) * container[part] / longest
        title = f"<title>{escape(part)}: {container[part]:.3f} s</title>"
        drawn += (
            f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{ROW - 6}" fill="{colour}">'
            f"{title}</rect>"
        )
        x += width
    return f'<text x="0" y="{y + 14}">{escape(name)}</text>{drawn}'
