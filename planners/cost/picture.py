"""Picture: a timeline as an SVG, one line for each container."""

from __future__ import annotations

import numpy as np

from planners.cost.timeline import Timeline

WIDTH, LINE, BAR = 800, 16, 12  # pixels
MOST_LINES = 40
MOST_BARS = 2000
COLOURS = (("fetch", "#c9a227"), ("run", "#2f6f4f"), ("store", "#7a4e7e"))


def picture(timeline: Timeline) -> str:
    """What the first containers do: fetch, run and store."""
    lines = min(len(timeline.containers.invoked), MOST_LINES)
    if not lines:
        return ""
    shown = np.flatnonzero(timeline.container < lines)[:MOST_BARS].tolist()
    bars = "".join(bar for bundle in shown for bar in bars_of(timeline, bundle))
    return (
        f'<svg width="{WIDTH}" height="{(lines + 1) * LINE}" font-size="11" '
        f'font-family="sans-serif">{bars}{legend(timeline, lines * LINE + BAR)}</svg>'
    )


def bars_of(timeline: Timeline, bundle: int) -> list[str]:
    begun, fetched = float(timeline.begun[bundle]), float(timeline.fetched[bundle])
    ran, finished = (
        fetched + float(timeline.layout.exec_seconds[bundle]),
        float(timeline.finished[bundle]),
    )
    scale = WIDTH / (timeline.makespan_seconds or 1.0)
    top = int(timeline.container[bundle]) * LINE
    title = f"bundle {bundle}: {begun:.3f} to {finished:.3f} s"
    spans = zip(COLOURS, (begun, fetched, ran), (fetched, ran, finished), strict=True)
    return [
        f'<rect x="{scale * first:.1f}" y="{top}" width="{max(scale * (last - first), 0.5):.1f}" '
        f'height="{BAR}" fill="{colour}"><title>{what}, {title}</title></rect>'
        for (what, colour), first, last in spans
        if last > first
    ]


def legend(timeline: Timeline, at: int) -> str:
    words = [f'<text x="0" y="{at}">0 s</text>']
    for place, (what, colour) in enumerate(COLOURS):
        words.append(f'<text x="{200 + 100 * place}" y="{at}" fill="{colour}">{what}</text>')
    end = f"{timeline.makespan_seconds:.3f} s"
    return "".join(words) + f'<text x="{WIDTH}" y="{at}" text-anchor="end">{end}</text>'
