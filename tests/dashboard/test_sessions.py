"""Open pages come and go, while threads tell them of what is new."""

from __future__ import annotations

from bokeh.document import Document

from dask_serverless.dashboard.pages.runs import Runs
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.session import Session


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
