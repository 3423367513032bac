"""What planning refuses: plans that cannot run and planners that nobody knows."""

from __future__ import annotations


class PlanError(ValueError):
    """A plan that cannot be run, or a planner that gave none; the message names a task.

    ``planner`` and ``task`` say whose plan it was and which task shows what is wrong, if any.
    """

    def __init__(self, message: str, *, planner: str = "", task: int = -1) -> None:
        super().__init__(message)
        self.planner = planner
        self.task = task


class UnknownPlanner(PlanError):
    """No planner of this name is built in or registered."""
