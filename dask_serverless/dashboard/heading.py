"""What stands above every page: the run in one line, or why there is nothing to see."""

from __future__ import annotations

from html import escape

from bokeh.models import Div

from dask_serverless.dashboard.costs import shown
from dask_serverless.dashboard.groups import shortened
from dask_serverless.dashboard.numbers import Numbers, in_bytes, in_seconds, numbers
from dask_serverless.dashboard.style import sheet
from dask_serverless.dashboard.view import View

MOST_CHARACTERS = 120  # of an error; all of it is on the page of errors


def heading(view: View) -> str:
    told = numbers(view.series)
    if told.error:
        state = f'<span class="chip failed">{escape(first_line(told.error))}</span>'
    elif told.abandoned:
        state = (
            '<span class="chip failed">lost: its client is gone, or what the store had of it</span>'
        )
    else:
        word = "done" if told.over else "running"
        state = f'<span class="chip {word}">{word}</span>'
    facts = [
        ("run", view.structure.run),
        ("tasks", f"{told.done_tasks:,} / {told.tasks:,}"),
        ("bundles", f"{told.done_bundles:,} / {told.bundles:,}"),
        ("containers", f"{told.containers}{starts(told)}"),
        ("makespan", in_seconds(told.makespan) if told.makespan else ""),
        ("moved", in_bytes(told.bytes_moved)),
        ("cost", shown(told.cost)),
        ("planner", view.structure.planner),
    ]
    if told.untold:
        facts.append(("not told of", f"{told.untold:,} bundles"))
    cells = "".join(fact(name, value) for name, value in facts if value)
    return f'<div class="facts">{state}{cells}</div>'


def starts(told: Numbers) -> str:
    kinds = ((told.cold_starts, "cold"), (told.warm_starts, "warm"))
    words = ", ".join(f"{count} {kind}" for count, kind in kinds if count)
    return f" ({words})" if words else ""


def first_line(error: str) -> str:
    return shortened(error.partition("\n")[0], MOST_CHARACTERS)


def fact(name: str, value: str) -> str:
    return f'<span class="fact"><small>{escape(name)}</small> <b>{escape(value)}</b></span>'


def banner(trouble: str) -> str:
    return f'<div class="banner">{escape(trouble)}</div>' if trouble else ""


ENDED = (
    "The dashboard has ended with the process that it belongs to, or cannot be reached. "
    "What stands here is the last that it told."
)


def nothing(run: str, trouble: str) -> Div:
    if trouble:
        title, text = f"Run {run}", trouble
    elif run:
        title, text = "Reading the run …", "Large ones take a moment."
    else:
        title, text = "No run yet", "Compute something with this scheduler, and it appears here."
    return Div(
        text=f'<div class="nothing"><h2>{escape(title)}</h2><p>{escape(text)}</p></div>',
        sizing_mode="stretch_width",
        stylesheets=[sheet()],
        name="nothing",
    )
