"""Open pages come and go, while threads tell them of what is new."""

from __future__ import annotations

import threading
from itertools import count

from bokeh.document import Document

from dask_serverless.dashboard.listing import Listed
from dask_serverless.dashboard.pages.runs import Runs
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.session import Session


def listed(run: str) -> Listed:
    return Listed(run, 0.0, 1, 1)


def test_a_browser_that_leaves_in_that_very_moment_keeps_nothing_from_others() -> None:
    reader = Reader()
    leaving, staying = Document(), Document()
    for document in (leaving, staying):
        session = Session(document, reader, Runs, "")
        session.begin()
        session.scheduled = False
    before = len(staying.session_callbacks)
    leaving.callbacks.destroy()  # Bokeh does so before it says that the session is over
    reader.changed()
    assert len(staying.session_callbacks) == before + 1
    reader.changed()
    assert len(staying.session_callbacks) == before + 1


def test_runs_may_come_while_the_list_is_drawn() -> None:
    reader = Reader()
    for number in range(2000):
        reader.listing.put(listed(f"run{number}"))
    page = Runs(None, reader)
    over = threading.Event()

    def come() -> None:
        for number in count():
            if over.is_set():
                return
            reader.listing.put(listed(f"new{number % 5000}"))

    thread = threading.Thread(target=come, daemon=True)
    thread.start()
    try:
        for _ in range(5):
            page.update(None)
    finally:
        over.set()
        thread.join()
