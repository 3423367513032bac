"""Progress and summaries in a notebook: a real kernel runs the cells, and tells what it shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clients import ROOT

manager = pytest.importorskip("jupyter_client.manager")
pytest.importorskip("ipykernel")

SECONDS = 60.0
BEGIN = """
import time
from pathlib import Path
from dask import delayed
from dask_serverless import Serverless

s = Serverless(containers=1, progress=True)

@delayed
def gate(path, n):
    while not Path(path).exists():
        time.sleep(0.01)
    return 1 // n

def run(folder, n):
    parts = [gate(f"{folder}/one", 1), gate(f"{folder}/two", n)]
    return delayed(sum)(parts).compute(scheduler=s, optimize_graph=False)
"""
Message = dict[str, Any]


class Notebook:
    """As its page sees it: messages about one cell, until the kernel is idle again."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.cell = ""
        self.shown: list[Message] = []  # what was displayed, and put in its place

    def begin(self, code: str) -> None:
        self.cell = self.client.execute(code)
        self.shown = []

    def until(self, condition: Callable[[Message], bool]) -> Message:
        deadline = time.monotonic() + SECONDS
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") != self.cell:
                continue
            if message["msg_type"] in ("display_data", "update_display_data", "execute_result"):
                self.shown.append(message["content"])
            if condition(message):
                return dict(message)

    def run(self, code: str) -> Message:
        """Ends well; what came last is its result, if it has one."""
        self.begin(code)
        return self.until(lambda m: self.idle(m) or m["msg_type"] == "error")

    @staticmethod
    def idle(message: Message) -> bool:
        return bool(message["content"].get("execution_state") == "idle")


def says(part: str) -> Callable[[Message], bool]:
    return lambda message: part in message["content"].get("data", {}).get("text/html", "")


@pytest.fixture(scope="module")
def notebook() -> Iterator[Notebook]:
    kernel, client = manager.start_new_kernel(startup_timeout=SECONDS, cwd=str(ROOT))
    try:
        notebook = Notebook(client)
        assert notebook.idle(notebook.run(BEGIN))
        yield notebook
        notebook.run("s.close()")
    finally:
        client.stop_channels()
        kernel.shutdown_kernel()


def test_one_output_of_the_cell_follows_the_run_to_its_end(
    notebook: Notebook, tmp_path: Path
) -> None:
    notebook.begin(f"run({str(tmp_path)!r}, 1)")
    notebook.until(says("0/3 tasks"))
    notebook.until(lambda message: message["msg_type"] == "update_display_data")
    (tmp_path / "one").touch()
    (tmp_path / "two").touch()
    notebook.until(notebook.idle)
    first, *renewed, result = notebook.shown
    assert result["data"]["text/plain"] == "2"
    assert {each["transient"]["display_id"] for each in (first, *renewed)} == {
        first["transient"]["display_id"]
    }
    assert "3 tasks" in renewed[-1]["data"]["text/html"]
    assert "width:100.0%" in renewed[-1]["data"]["text/html"]
    assert "3 tasks" in renewed[-1]["data"]["text/plain"]


def test_of_a_run_that_fails_the_error_is_what_remains(notebook: Notebook, tmp_path: Path) -> None:
    notebook.begin(f"run({str(tmp_path)!r}, 0)")
    notebook.until(says("0/3 tasks"))
    (tmp_path / "one").touch()
    (tmp_path / "two").touch()
    error = notebook.until(lambda message: message["msg_type"] == "error")
    assert error["content"]["ename"] == "ZeroDivisionError"
    assert notebook.shown[-1]["data"] == {"text/plain": "", "text/html": ""}


def test_the_last_run_is_shown_as_a_picture(notebook: Notebook, tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    (tmp_path / "two").touch()
    notebook.run(f"run({str(tmp_path)!r}, 1)")
    notebook.run("s.last_run")
    (shown,) = notebook.shown
    assert "<svg" in shown["data"]["text/html"]
