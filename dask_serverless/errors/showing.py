"""What keeps a run from being shown."""

from __future__ import annotations

from dask_serverless.errors.base import ServerlessError


class DashboardUnavailable(ServerlessError, OSError):
    """The dashboard cannot listen where it was told to."""

    def __init__(self, address: str, cause: str, hint: str = "") -> None:
        super().__init__(address, cause, hint)
        self.address = address
        self.cause = cause
        self.hint = hint or (
            "Name another address in Serverless(dashboard=...), or True for the next free port."
        )

    @property
    def in_use(self) -> bool:
        return "in use" in self.cause.lower()

    def __str__(self) -> str:
        return f"The dashboard cannot listen at {self.address}: {self.cause}. {self.hint}"


class ReportUnwritten(ServerlessError, OSError):
    """The file of a report cannot be written when its block ends."""

    def __init__(self, path: str, cause: str) -> None:
        super().__init__(path, cause)
        self.path = path
        self.cause = cause

    def __str__(self) -> str:
        return (
            f"The report {self.path} cannot be written: {self.cause}. What was computed is not "
            "affected. Make room there, or name another place in report(...)."
        )


class RunUnreadable(ServerlessError):
    """What is stored of a watched run cannot be shown."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"This run cannot be shown: {self.problem}. Compute it anew to see it."
