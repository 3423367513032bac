"""HTML tables: every cell is text, whatever it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from bokeh.models import Div

from dask_serverless.dashboard.style import sheet

LONG = 40  # characters: a word of more may be broken, so that it leaves room for other columns


class Link(str):
    """A cell that leads to another page of the dashboard: "run=…" of the same page's kind."""

    target = ""

    @staticmethod
    def to(target: str, text: str) -> Link:
        link = Link(text)
        link.target = target
        return link


class Chip(str):
    """A cell with a state in its colour, and words beside it."""

    state = ""

    @staticmethod
    def of(state: str, words: str = "") -> Chip:
        chip = Chip(words)
        chip.state = state
        return chip


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "nothing yet") -> str:
    """Columns whose names end with a space hold numbers, and stand to the right."""
    kinds = [' class="number"' if name.endswith(" ") else "" for name in columns]
    head = "".join(f"<th{k}>{escape(n)}</th>" for n, k in zip(columns, kinds, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{k}>{cell(c)}</td>" for c, k in zip(row, kinds, strict=True))
        + "</tr>"
        for row in rows
    )
    if not body:
        return f'<p class="quiet">{escape(empty)}</p>'
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def cell(value: Any) -> str:
    if isinstance(value, Link):
        return f'<a href="{escape(value.target, quote=True)}">{escape(value)}</a>'
    if isinstance(value, Chip):
        state = escape(value.state, quote=True)
        chip = f'<span class="chip {state}">{state}</span> ' if state else ""
        return chip + escape(value)
    text = escape(f"{value:,}" if isinstance(value, int) else str(value))
    return f'<span class="long">{text}</span>' if len(text) > LONG else text


def block(name: str) -> Div:
    """Where tables and paragraphs go."""
    return Div(sizing_mode="stretch_width", stylesheets=[sheet()], name=name)
