"""Errors: what raised, with its traceback, and which containers were lost."""

from __future__ import annotations

import linecache
from html import escape
from typing import Any

from bokeh.layouts import column

from dask_serverless.dashboard.groups import key_shown, shortened
from dask_serverless.dashboard.numbers import in_seconds
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.series import Failed
from dask_serverless.dashboard.tables import block, table
from dask_serverless.dashboard.view import Moment, View

MOST_SHOWN = 50
MOST_FRAMES = 60
MOST_CHARACTERS = 20_000


class Errors(Page):
    path = "errors"
    title = "Errors"

    def __init__(self, view: View | None, reader: Reader | None) -> None:
        assert view is not None
        self.view = view
        self.text = block("errors")
        self.root = column(self.text, sizing_mode="stretch_width")

    def update(self, moment: Moment | None) -> None:
        with self.view.lock:
            series = self.view.series
            failures = list(series.failures[:MOST_SHOWN])
            losses = sorted(series.tries.items())[:MOST_SHOWN]
            told = str((series.over or {}).get("error", ""))
        parts = [self.failure(failed) for failed in failures]
        if told and not failures:
            parts.append(f"<h3>The run ended with an error</h3><pre>{escape(told)}</pre>")
        if losses:
            rows = [(bundle, tries, why) for bundle, (tries, why) in losses]
            parts.append(
                "<h3>Lost containers</h3>" + table(("bundle ", "times ", "the last one"), rows)
            )
        nothing = '<div class="nothing"><h2>No errors</h2><p>No task raised, no container was lost.</p></div>'
        self.text.text = "".join(parts) or nothing

    def failure(self, failed: Failed) -> str:
        labels = self.view.structure.labels
        key = key_shown(labels[failed.task]) if 0 <= failed.task < len(labels) else ""
        facts = f"{failed.container}, bundle {failed.bundle}, after {in_seconds(failed.at)}"
        title = escape(key or "Before any task")
        return f"<h3>{title}</h3><div class='quiet'>{escape(facts)}</div><pre>{escape(trace(failed.words))}</pre>"


def trace(words: Any) -> str:
    """As Python prints it, but for what was handled meanwhile."""
    what, _, chain = words
    if not chain:
        return str(what)
    kind, module, text, frames = chain[0]
    lines = ["Traceback (most recent call last):"]
    for file, line, name in frames[-MOST_FRAMES:]:
        lines.append(f'  File "{file}", line {line}, in {name}')
        if source := source_of(file, line):
            lines.append(f"    {source}")
    name = kind if module in ("builtins", "") else f"{module}.{kind}"
    lines.append(f"{name}: {text}" if text else name)
    for kind, _, text, _ in chain[1:]:
        lines.append(f"  from {kind}: {shortened(text)}")
    return "\n".join(lines)[:MOST_CHARACTERS].encode(errors="replace").decode()


def source_of(file: str, line: int) -> str:
    """Of a program that is here, too; whoever raised could have named any file."""
    return linecache.getline(file, line).strip() if file.endswith(".py") else ""
