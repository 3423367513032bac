"""What ends a whole run, before it begins or under way."""

from __future__ import annotations

from typing import ClassVar

from dask_serverless.errors.base import ServerlessError
from planners.errors import GoalError, GoalInvalid


class HistoryUnusable(ServerlessError):
    """What earlier runs measured cannot be read, or no more be added to it."""

    BEGIN_ANEW: ClassVar = "Begin anew with `dask serverless history --forget-all`"

    def __init__(self, where: str, problem: str, remedy: str = "") -> None:
        super().__init__(where, problem, remedy)
        self.where = where
        self.problem = problem
        self.remedy = remedy  # beside another place

    def __str__(self) -> str:
        return (
            f"The history of measurements at {self.where} {self.problem}. "
            f"{f'{self.remedy}, or name' if self.remedy else 'Name'} another file, or false, in "
            "Serverless(history=...) or DASK_SERVERLESS__HISTORY."
        )


class PlanRefused(ServerlessError, ValueError):
    """There is no such planner, or it made a plan that cannot be run, or none meets the goals."""

    def __init__(self, problem: str, reason: Exception | None = None) -> None:
        super().__init__(problem, reason)
        self.problem = problem
        self.reason = reason  # the planner's own error with its data, say what is possible

    def __str__(self) -> str:
        aims = isinstance(self.reason, GoalError | GoalInvalid)
        of = "settings deadline and budget" if aims else "setting planner"
        return f"{self.problem} (the {of})"


class NothingToCompare(ServerlessError, ValueError):
    """A run that has not come to its end, or had nothing to compute, is no match for its plan."""

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self.run = run

    def __str__(self) -> str:
        return (
            f"Run {self.run} cannot be compared with its plan: it failed, is still under way or had "
            "nothing to compute. Serverless.plan(x) shows what a plan foresees."
        )


class RunLost(ServerlessError):
    """The store lost the run while it was under way."""

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self.run = run

    def __str__(self) -> str:
        return (
            f"The store no longer knows the run {self.run}: it was restarted or flushed, or this "
            "client was not heard of for ten minutes by the store's clock (a machine that slept, a "
            "clock that was set). Nothing wrong was returned; compute again."
        )


class RunDamaged(ServerlessError):
    """The store lost part of a run's state, without which the run cannot come to its end."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__(done, total)
        self.done = done
        self.total = total

    def __str__(self) -> str:
        return (
            f"The run cannot go on: {self.done} of {self.total} bundles are done, but keys of the run "
            "(ds:{...}) were deleted in the store, by hand or by another program. Nothing wrong was "
            "returned; compute again."
        )
