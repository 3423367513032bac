"""Where progress is shown: a line of a terminal, lines of a log, an output of a notebook."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from html import escape
from typing import Any, Protocol, TextIO

from dask_serverless.progress.standing import Standing
from dask_serverless.progress.words import facts, line
from dask_serverless.values import ALWAYS

USUAL_WIDTH = 80
LINES_SECONDS = 10.0  # between two lines of a log
DONE, REST = "#009e73", "rgba(128, 136, 148, 0.25)"


class Screen(Protocol):
    def show(self, standing: Standing) -> None:
        """In the place of what was shown before."""

    def end(self, standing: Standing | None) -> None:
        """The last of a run; None: nothing of it is to remain."""


class Terminal:
    """One line that is written over: carriage returns and blanks do on every terminal.

    Of runs that go on at the same time the first one has the line.
    """

    line = threading.Lock()

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.mine = False
        self.shown = 0  # characters

    def show(self, standing: Standing) -> None:
        self.mine = self.mine or Terminal.line.acquire(blocking=False)
        if self.mine:
            self.write(line(standing, width_of(self.stream) - 1))

    def end(self, standing: Standing | None) -> None:
        if not self.mine:
            return
        if standing is None:
            self.write("")
            put(self.stream, "\r")
        else:
            self.show(standing)
            put(self.stream, "\n")
        self.mine = False
        Terminal.line.release()

    def write(self, text: str) -> None:
        put(self.stream, f"\r{text:<{self.shown}}")
        self.shown = len(text)


class Log:
    """Whole lines, now and then: for files, and for terminals that cannot go back."""

    def __init__(self, stream: TextIO, seconds: float = LINES_SECONDS) -> None:
        self.stream = stream
        self.seconds = seconds
        self.due_at = 0.0

    def show(self, standing: Standing) -> None:
        if time.monotonic() >= self.due_at:
            self.due_at = time.monotonic() + self.seconds
            put(self.stream, line(standing, USUAL_WIDTH) + "\n")

    def end(self, standing: Standing | None) -> None:
        if standing is not None and self.due_at:
            put(self.stream, line(standing, USUAL_WIDTH) + "\n")


class Notebook:
    """One output of the cell that computes, renewed; needs no widgets."""

    def __init__(self) -> None:
        self.handle: Any = None

    def show(self, standing: Standing) -> None:
        from IPython.display import display

        if self.handle is None:
            self.handle = display(drawn(standing), raw=True, display_id=True)
        else:
            self.handle.update(drawn(standing), raw=True)

    def end(self, standing: Standing | None) -> None:
        if self.handle is not None:
            nothing = {"text/plain": "", "text/html": ""}
            self.handle.update(nothing if standing is None else drawn(standing), raw=True)


def drawn(standing: Standing) -> dict[str, str]:
    share = f"{100 * standing.share:.1f}%"
    told = escape(" · ".join(fact.strip() for fact in facts(standing)))
    box = f'<div style="max-width:480px;height:8px;border-radius:4px;background:{REST}">'
    done = f'<div style="width:{share};height:8px;border-radius:4px;background:{DONE}"></div></div>'
    html = f"<div>{box}{done}<small>{told}</small></div>"
    return {"text/plain": line(standing, USUAL_WIDTH), "text/html": html}


def screen_for(setting: bool | str) -> Screen | None:
    """Where the user looks; nowhere, if that is a file and nobody asked for it."""
    if in_notebook():
        return Notebook()
    stream = sys.stderr
    if stream is None or stream.closed:
        return None
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        return Terminal(stream)
    return Log(stream) if setting == ALWAYS or stream.isatty() else None


def in_notebook() -> bool:
    """Whether this process is the kernel of one; IPython in a terminal is none."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def width_of(stream: TextIO) -> int:
    """Some terminals say that they have no columns at all."""
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or USUAL_WIDTH
    return USUAL_WIDTH


def put(stream: TextIO, text: str) -> None:
    """A terminal that was closed meanwhile is no reason for a run to fail."""
    with suppress(OSError, ValueError):
        stream.write(text)
        stream.flush()


def _after_fork() -> None:
    Terminal.line = threading.Lock()  # the parent's run goes on there


os.register_at_fork(after_in_child=_after_fork)
