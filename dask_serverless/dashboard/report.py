"""The report: pages of runs in one file, which opens without a server and without a network."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bokeh.document import Document
from bokeh.embed import file_html
from bokeh.io.doc import patch_curdoc
from bokeh.layouts import column
from bokeh.models import InlineStyleSheet, TabPanel, Tabs
from bokeh.resources import INLINE
from jinja2 import Environment, FileSystemLoader

from dask_serverless.dashboard.heading import first_line, heading
from dask_serverless.dashboard.measurements import Measured
from dask_serverless.dashboard.numbers import in_seconds, numbers
from dask_serverless.dashboard.pages import PAGES
from dask_serverless.dashboard.pages.history import HistoryPage
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.recording import Recording, times_of
from dask_serverless.dashboard.tables import block
from dask_serverless.dashboard.view import Moment, View
from dask_serverless.progress.words import counted

# A wide table is scrolled in its place, and the page is as wide as its window.
FITTING = ":host { grid-template-columns: minmax(0, 1fr); min-width: 0; }"
FOLDED = ':host([style*="visibility: hidden"]) { height: 0; overflow: hidden; }'


def write(
    path: Path,
    views: Sequence[View],
    problems: Sequence[str] = (),
    measured: Measured = Measured(),  # noqa: B008 - frozen
) -> None:
    """Whole or not at all: beside the file first, then in its place."""
    html = document(views, problems, measured)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(html)
        os.chmod(draft, 0o666 & ~umask())
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft)
        raise


def umask() -> int:
    now = os.umask(0o077)
    os.umask(now)
    return now


def document(views: Sequence[View], problems: Sequence[str], measured: Measured) -> str:
    folder = Path(__file__).parent / "templates"
    template = Environment(loader=FileSystemLoader(folder), autoescape=True).get_template(
        "report.html"
    )
    roots = [section(view, len(views), measured) for view in views] or [empty()]
    variables = {"problems": problems, "runs": [entry(view) for view in views]}
    # A dashboard in this process, distributed's, say, may have left one of its own as the current
    # document, which bokeh looks at; it keeps none of them alive.
    current = Document()
    with patch_curdoc(current):
        return str(
            file_html(
                roots,
                resources=INLINE,
                title="dask-serverless",
                template=template,
                template_variables=variables,
            )  # fmt: skip
        )


def section(view: View, runs: int, measured: Measured) -> Any:
    """One run: its heading, and its pages as tabs."""
    head = block("heading")
    head.text = heading(view)
    panels = []
    moments = [(at, view.moment(at)) for at in times_of(view, runs)]
    moments[-1] = (moments[-1][0], view.moment())
    for kind in PAGES:
        if kind.of_a_run:
            page = kind(view, None)
            if isinstance(page, HistoryPage):
                page.tell(measured)
            panels.append(TabPanel(child=panel(page, view, moments), title=kind.title))
    tabs = Tabs(
        tabs=panels, sizing_mode="stretch_width", stylesheets=[InlineStyleSheet(css=FITTING)]
    )
    return column(head, tabs, sizing_mode="stretch_width")


def panel(page: Page, view: View, moments: Sequence[tuple[float, Moment]]) -> Any:
    if not page.replayed:
        page.update(view.moment())
        return column(page.root, sizing_mode="stretch_width", stylesheets=[folded()])
    recording = Recording(page, moments)
    page.by_itself(recording.slider, [moment for _, moment in moments])
    return column(recording.root, page.root, sizing_mode="stretch_width", stylesheets=[folded()])


def folded() -> InlineStyleSheet:
    """Tabs keep room for the highest of their pages, also while it is hidden."""
    return InlineStyleSheet(css=FOLDED)


def entry(view: View) -> dict[str, str]:
    """Of the list of runs: what to tell them apart by."""
    told = numbers(view.series)
    state = "failed" if told.error else "lost" if told.abandoned else "done"
    facts = [counted(told.tasks, "task"), in_seconds(told.makespan), first_line(told.error)]
    return {"run": view.structure.run, "state": state, "facts": ", ".join(filter(None, facts))}


def empty() -> Any:
    nothing = block("nothing")
    nothing.text = '<div class="nothing"><h2>No run</h2><p>Nothing was computed in here.</p></div>'
    return nothing
