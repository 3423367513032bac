"""Tasks that are tried again in place: seen while they are, and afterwards on each page."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from browsing import await_column, await_text, column, show
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.dashboard.states import COLOURS, State

WHY = "<script>window.evil=1</script> too early"


@delayed
def flaky(folder: Path, failures: int) -> int:
    """Raises in its first calls; the last one waits until it is let go."""
    calls = len(list(folder.glob("call-*")))
    (folder / f"call-{calls}").touch()
    if calls < failures:
        raise ValueError(f"{WHY} {calls + 1}")
    while not (folder / "go").exists():
        time.sleep(0.01)
    return calls + 1


def test_a_task_that_is_tried_again_is_seen_to_be(
    tab: Any, watched: Serverless, tmp_path: Path
) -> None:
    again = watched.options(retries=3)
    task = flaky(tmp_path, 2, dask_key_name="flaky-task")
    run = Thread(target=lambda: task.compute(scheduler=again))
    run.start()
    try:
        show(tab, f"{watched.dashboard_link}graph")
        await_column(tab, "tasks", "nodes", "attempt", "c.includes(3)")
        assert column(tab, "tasks", "nodes", "state") == [State.RETRIED]
    finally:
        (tmp_path / "go").touch()
        run.join()
    await_column(tab, "tasks", "nodes", "state", f"c[0] == {int(State.DONE)}")
    assert column(tab, "tasks", "nodes", "attempt") == [3]
    assert WHY in column(tab, "tasks", "nodes", "error")[0]
    assert column(tab, "tasks", "retried", "key") == ["flaky-task"]  # though it is done
    assert column(tab, "overview", "boxes", "line") == [COLOURS[State.RETRIED]]

    show(tab, f"{watched.dashboard_link}stream?run={again.last_run.run}")
    await_column(tab, "stream", "marks", "what", "c.some(w => w.includes('is tried again'))")
    show(tab, f"{watched.dashboard_link}errors?run={again.last_run.run}")
    told = await_text(tab, "errors", "Tried again in place")
    assert told.count("too early") == again.last_run.retries == 2
    assert "flaky-task" in told
    assert tab.evaluate("window.evil") is None


def test_a_task_that_gave_up_says_how_each_attempt_ended(
    tab: Any, watched: Serverless, tmp_path: Path
) -> None:
    again = watched.options(retries=1)
    with pytest.raises(ValueError, match="too early 2"):
        flaky(tmp_path, 9).compute(scheduler=again)
    show(tab, f"{watched.dashboard_link}errors")
    told = await_text(tab, "errors", "Traceback")
    first, second = told.index("attempt"), told.index("too early 2 (after")
    assert first < told.index("too early 1 (after", first) < second
