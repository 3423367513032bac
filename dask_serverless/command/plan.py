"""What ``dask serverless plan`` does: runs a script and shows how each of its computes is planned."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

import click
import dask

from dask_serverless import serverless
from dask_serverless.client.onlookers import looking_on
from dask_serverless.errors import ServerlessError
from dask_serverless.serverless import make_planner

if TYPE_CHECKING:
    from planners.cost.outlook import Outlook


class Stop(BaseException):
    """The first plan was shown, and that was all that was wanted; scripts do not catch this."""


class Shown:
    """Prints each plan, with the planners that it is to be compared with."""

    def __init__(self, script: str, compared: Sequence[str], run: bool) -> None:
        self.script = script
        self.compared = compared
        self.run = run
        self.count = 0

    def __call__(self, outlook: Outlook) -> None:
        self.count += 1
        click.secho(f"compute {self.count}{self.line()}", bold=True)
        click.echo(str(outlook))
        if self.compared:
            click.echo(f"\n{outlook.compare(*self.compared)}")
        click.echo()
        if not self.run:
            raise Stop

    def line(self) -> str:
        """Where the script computes; nowhere, if it does so in a thread of its own."""
        frame = sys._getframe(1)
        while frame.f_back is not None and frame.f_code.co_filename != self.script:
            frame = frame.f_back
        at_home = frame.f_code.co_filename == self.script
        return f", {self.script}:{frame.f_lineno}" if at_home else ""


def plan(
    script: str, arguments: Sequence[str], planner: str | None, compared: Sequence[str], run: bool
) -> None:
    if planner is not None:
        make_planner(planner, learning=True)  # what is mistyped is told before anything runs
    shown = Shown(script, compared, run)
    settings = {"scheduler": serverless, **({"serverless.planner": planner} if planner else {})}
    with dask.config.set(settings), as_main(script, arguments), looking_on(shown):
        try:
            runpy.run_path(script, run_name="__main__")
        except Stop:
            pass
        except ServerlessError as error:  # the script's, and not the command line's
            raise click.ClickException(str(error)) from None
        except Exception as error:
            error.__traceback__ = within(script, error.__traceback__)
            sys.excepthook(type(error), error, error.__traceback__)
            raise SystemExit(1) from None
        finally:
            serverless.close()
    if not shown.count:
        raise click.ClickException(f"{script} has computed nothing with this scheduler.")


def within(script: str, traceback: TracebackType | None) -> TracebackType | None:
    """As ``python script …`` would show it: without those who run the script."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename != script:
        traceback = traceback.tb_next
    return traceback


@contextmanager
def as_main(script: str, arguments: Sequence[str]) -> Iterator[None]:
    """As ``python script …`` would have it: its arguments, and the modules beside it."""
    argv, path = sys.argv, list(sys.path)
    sys.argv = [script, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, path
