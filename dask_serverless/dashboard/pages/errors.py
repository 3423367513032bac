"""Errors: what raised, with its traceback and last lines, what ran again, and which containers were lost."""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from html import escape
from typing import Any

from bokeh.layouts import column

from dask_serverless.dashboard.groups import key_of, shortened
from dask_serverless.dashboard.lines import Line
from dask_serverless.dashboard.numbers import in_seconds
from dask_serverless.dashboard.pages.page import Page
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.seen import NOBODY, Failed, Lost, TriedAgain
from dask_serverless.dashboard.tables import block, table
from dask_serverless.dashboard.view import Moment, View

MOST_SHOWN = 50
MOST_FRAMES = 60
MOST_CHARACTERS = 20_000
LAST_LINES = 20  # of what a task printed before it raised
NOTHING = (
    '<div class="nothing"><h2>No errors</h2><p>No task raised, no container was lost.</p></div>'
)


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
            again = self.again(series.tried_again[:MOST_SHOWN], list(series.containers))
            losses = self.losses(
                sorted(series.losses, key=when)[:MOST_SHOWN], list(series.containers)
            )
            told = str((series.over or {}).get("error", ""))
            parts = [self.failure(failed) for failed in failures]
        if told and not failures:
            parts.append(f"<h3>The run ended with an error</h3><pre>{escape(told)}</pre>")
        if again:
            names = ("task", "container", "bundle ", "raised at ", "what it raised")
            parts.append("<h3>Tried again in place</h3>" + table(names, again))
        if losses:
            columns = ("container", "bundle ", "lost at ", "how it ended")
            parts.append("<h3>Lost containers</h3>" + table(columns, losses))
        self.text.text = "".join(parts) or NOTHING

    def failure(self, failed: Failed) -> str:
        key = key_of(self.view.structure, failed.task)
        facts = f"{failed.container}, bundle {failed.bundle}, at {in_seconds(failed.at)}"
        title = escape(key or "Before any task")
        printed = self.view.series.lines.of(failed.container, failed.task, LAST_LINES)
        return (
            f"<h3>{title}</h3><div class='quiet'>{escape(facts)}</div>"
            f"<pre>{escape(trace(failed.words))}</pre>{told_before(failed.words)}{last(printed)}"
        )

    def again(self, tried: Sequence[TriedAgain], containers: Sequence[str]) -> list[Sequence[Any]]:
        structure = self.view.structure
        return [
            (key_of(structure, t.task), containers[t.container], t.bundle, in_seconds(t.at), t.why)
            for t in tried
        ]

    def losses(self, lost: Sequence[Lost], containers: Sequence[str]) -> list[Sequence[Any]]:
        return [
            (containers[each.container] if each.container != NOBODY else "", each.bundle,
                in_seconds(each.at), each.why)
            for each in lost
        ]  # fmt: skip


def when(lost: Lost) -> float:
    return lost.at


def told_before(words: Any) -> str:
    """How earlier attempts ended, where the last one's error is what is shown."""
    tries = (words[1] or {}).get("tries") or ()
    rows = [(number, shortened(str(told))) for number, told in enumerate(tries, 1)]
    return table(("attempt ", "what it raised"), rows) if rows else ""


def last(printed: Sequence[Line]) -> str:
    if not printed:
        return ""
    lines = escape("\n".join(line.text for line in printed))
    return f"<div class='quiet'>It printed at last:</div><pre>{lines}</pre>"


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
