"""How soon a browser sees a large run, and how fluently it moves over it: by the browser's own clock."""

from __future__ import annotations

from typing import Any

from benchmarks.verdicts import Verdict
from dask_serverless import Serverless

MOST_PAINT_SECONDS, MOST_FRAME_MS = 3.0, 100.0
LARGEST_PAINT_SECONDS = 30.0  # of a run larger than those that this is promised for: it is shown
LARGE_TASKS = 100_000
MOVES = 20  # wheel and drag
PATIENCE_MS = 240_000
# Milliseconds since the page was asked for, as soon as the run is drawn.
PAINTED = """() => {
  const document = window.Bokeh?.documents[0], made = document?.get_model_by_name("tasks")
  const drawn = made?.renderers.some(r => r.name == "raster" && r.data_source.data.image.length)
  return drawn && document.is_idle && performance.now()
}"""
BOX = """() => Bokeh.index.roots[0].owner.query_one(v => v.model.name == "tasks")
  .el.getBoundingClientRect().toJSON()"""
# From one frame to the next, in milliseconds, until they are asked for.
WATCH_FRAMES = """() => {
  window.frames_ms = []
  let last = performance.now()
  const next = now => { window.frames_ms.push(now - last); last = now; requestAnimationFrame(next) }
  requestAnimationFrame(next)
}"""
FRAMES = "() => window.frames_ms"


def painting(client: Serverless, browser: Any, tasks: int) -> list[Verdict]:
    """A run of so many tasks, opened by a browser that has never seen the dashboard."""
    compute(client, tasks)
    tab = browser.new_page()
    try:
        tab.goto(f"{client.dashboard_link}graph?run={client.last_run.run}", timeout=PATIENCE_MS)
        shown = tab.wait_for_function(PAINTED, timeout=PATIENCE_MS).json_value() / 1000
        frames = sorted(frames_of(tab))
    finally:
        tab.close()
    run = f"of a run of {tasks:,} tasks"
    most = MOST_PAINT_SECONDS if tasks <= LARGE_TASKS else LARGEST_PAINT_SECONDS
    return [
        Verdict(f"first paint {run}", shown, most, unit="s"),
        Verdict(f"a frame {run}, median", frames[len(frames) // 2], MOST_FRAME_MS, unit="ms"),
        Verdict(
            f"a frame {run}, 9 in 10", frames[int(0.9 * len(frames))], MOST_FRAME_MS, unit="ms"
        ),
    ]


def compute(client: Serverless, tasks: int) -> None:
    leaves = {f"x-{n}": (abs, n) for n in range(tasks - 1)}
    client({**leaves, "all": (len, list(leaves))}, "all")


def frames_of(tab: Any) -> list[float]:
    """While somebody zooms and drags."""
    box = tab.evaluate(BOX)
    x, y = box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"]
    tab.mouse.move(x, y)
    tab.evaluate(WATCH_FRAMES)
    for move in range(MOVES):
        tab.mouse.wheel(0, -100 if move < MOVES // 2 else 100)
        tab.mouse.down()
        tab.mouse.move(x + 10 * (-1) ** move, y, steps=3)
        tab.mouse.up()
    return list(tab.evaluate(FRAMES))
