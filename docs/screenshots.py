"""The pictures in dashboard.md, made from real runs: ``python docs/screenshots.py``.

Needs the extra ``dashboard``, Playwright, a chromium, and Pillow, which makes the files small.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import dask.array as da
from dask import delayed
from PIL import Image
from playwright.sync_api import sync_playwright

from dask_serverless import Serverless

FOLDER = Path(__file__).parent
DRAWN = "() => window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle"
HALFWAY = """() => {
  const slider = Bokeh.documents[0].get_model_by_name("replay")
  if (slider) slider.value = 0.55 * slider.end
}"""
HEIGHTS = {"graph": 850, "stream": 410, "progress": 430, "containers": 420, "data": 560,
    "errors": 560, "plan": 860, "runs": 300, "logs": 380, "history": 560}  # fmt: skip
COLOURS = 128


ANALYSIS = """
def load(n):
    return n

def risky(n):
    print(f"part {n}: {n * 1000:,} rows")
    if n == 2:
        once()
    return 1 / (n - 5)

def once():
    import pathlib
    if not pathlib.Path("called").exists():
        pathlib.Path("called").touch()
        raise ConnectionError("the catalogue did not answer")
"""


def good_run(client: Serverless) -> str:
    x = da.random.random((3000, 3000), chunks=(300, 300))
    (x + x.T).std(axis=0).max().compute(scheduler=client)
    return client.last_run.run


def bad_run(client: Serverless) -> str:
    scope: dict[str, Any] = {}
    exec(compile(ANALYSIS.lstrip(), "analysis.py", "exec"), scope)  # the name that readers see
    load, risky = delayed(scope["load"]), delayed(scope["risky"])
    patient = client.options(retries=1, logs=len)  # what is heard is on the page
    try:
        delayed(sum)([risky(load(n)) for n in range(8)]).compute(scheduler=patient)
    except ZeroDivisionError:
        return patient.last_run.run
    raise AssertionError("one of them divides by zero")


def planned_run(client: Serverless) -> str:
    scope: dict[str, Any] = {}
    exec("import time\ndef wait(n):\n    time.sleep(0.01 * (n % 4 + 1))\n    return n", scope)
    wait = delayed(scope["wait"])
    other = client.options(planner="uniform", history=str(Path("history").absolute()))
    for _ in range(3):
        delayed(sum)([wait(n) for n in range(24)]).compute(scheduler=other)
    return other.last_run.run


def picture(tab: Any, link: str, name: str, run: str) -> None:
    tab.set_viewport_size({"width": 1180, "height": HEIGHTS[name]})
    tab.goto(f"{link}{name}?run={run}")
    tab.wait_for_function(DRAWN)
    tab.evaluate(HALFWAY)
    tab.wait_for_timeout(1500)
    image = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    small = image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(FOLDER / f"dashboard-{name}.png", optimize=True)


def main() -> None:
    os.chdir(tempfile.mkdtemp())
    Path("analysis.py").write_text(ANALYSIS.lstrip())
    client = Serverless(containers=2, dashboard=True)
    try:
        good_run(client)
        runs = dict.fromkeys(HEIGHTS, good_run(client))
        bad, planned = bad_run(client), planned_run(client)
        runs |= {"errors": bad, "logs": bad, "plan": planned, "history": planned}
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            tab = browser.new_page()
            for name in HEIGHTS:
                picture(tab, client.dashboard_link, name, runs[name])
            browser.close()
    finally:
        client.close()


if __name__ == "__main__":
    main()
