"""What tasks print, on pages and in reports: while the run goes on, and when it is long over."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from browsing import await_text, show, text
from dask import delayed
from sightings import SUBMITTED, structure

from dask_serverless import Serverless
from dask_serverless.coordination.said import said_key
from dask_serverless.coordination.watched import lines_key
from dask_serverless.dashboard.lines import MOST_LINES, Lines
from dask_serverless.dashboard.reader import read_whole
from dask_serverless.store.connect import open_link
from dask_serverless.worker.said import OUT, Said

pytest.importorskip("bokeh")

from dask_serverless.dashboard.pages.logs import Logs
from dask_serverless.dashboard.view import View

EVIL = "<script>window.evil=1</script>"


def silently(line: object) -> None:
    """A client that listens; what it hears is shown nowhere else."""


@delayed
def speak(folder: Path) -> None:
    print(f"one {EVIL}")
    while not (folder / "go").exists():
        time.sleep(0.01)
    print("two")


@delayed
def fail() -> None:
    print("last words")
    raise ValueError("no more")


def test_lines_come_while_their_task_runs_and_stay(
    tab: Any, watched: Serverless, tmp_path: Path
) -> None:
    listening = watched.options(logs=silently)
    task = speak(tmp_path, dask_key_name="speak-task")
    with listening.report(tmp_path / "run.html"):
        run = Thread(target=lambda: task.compute(scheduler=listening))
        run.start()
        try:
            show(tab, f"{watched.dashboard_link}logs")
            assert "speak-task" in await_text(tab, "logs", "one &lt;script")
        finally:
            (tmp_path / "go").touch()
            run.join()
    await_text(tab, "logs", "two")
    show(tab, (tmp_path / "run.html").as_uri())
    assert "two" in text(tab, "logs")
    assert tab.evaluate("window.evil") is None


def test_lines_of_a_run_that_is_over_go_with_the_rest_of_it(
    watched: Serverless, tmp_path: Path, store_url: str
) -> None:
    (tmp_path / "go").touch()
    listening = watched.options(logs=silently)
    speak(tmp_path).compute(scheduler=listening)
    run = listening.last_run.run
    with open_link(store_url) as link:
        assert link.call(("EXISTS", said_key(run))) == [0]
        assert link.call(("TTL", lines_key(run)))[0] > 3600
        lines = read_whole(link, run).series.lines
    assert [line.text for line in lines.kept] == [f"one {EVIL}", "two"]
    assert all(abs(line.at - time.time()) < 600 for line in lines.kept)


def test_a_failed_task_is_shown_with_what_it_printed(tab: Any, watched: Serverless) -> None:
    with pytest.raises(ValueError, match="no more"):
        fail().compute(scheduler=watched.options(logs=silently))
    show(tab, f"{watched.dashboard_link}errors")
    told = await_text(tab, "errors", "last words")
    assert told.index("Traceback") < told.index("It printed at last")


def test_a_run_to_which_nobody_listened_says_how_to(tab: Any, watched: Serverless) -> None:
    delayed(abs)(-1).compute(scheduler=watched)
    show(tab, f"{watched.dashboard_link}logs")
    await_text(tab, "logs", "logs=True")


def test_each_line_says_when_it_was_printed() -> None:
    view = View(structure([[]], [0], labels=["speak"]))
    lines = [Said("c1/0", 0, 0, OUT, "early", SUBMITTED + 1.25), Said("c1/0", 1, 0, OUT, "of old")]
    view.series.heed_lines(lines)
    page = Logs(view, None)
    page.update(None)
    early, old = page.text.text.split("<tr>")[2:]
    assert ">1.250 s<" in early and ">early<" in early
    assert '<td class="number"></td>' in old


def test_what_is_kept_of_lines_is_bounded_and_what_is_missing_counted() -> None:
    lines = Lines()
    lines.add(Said("c1/0", 3, 0, OUT, "the fourth"))
    lines.add(Said("c1/0", 9, 0, OUT, None))
    for number in range(MOST_LINES):
        lines.add(Said("c2/0", number, 0, OUT, "again"))
    assert lines.dropped == 3 + 5
    assert lines.count == MOST_LINES + 1
    assert len(lines.kept) == MOST_LINES
    assert "the fourth" not in {line.text for line in lines.kept}
