"""Where a container says what it holds, for somebody else to keep it while user code runs."""

from __future__ import annotations

from typing import Protocol

from dask_serverless.worker.invitation import Invitation


class Holding(Protocol):
    """Somebody else, since a task may lock this interpreter for longer than any lease."""

    @property
    def others_wait(self) -> bool:
        """Whether another run waits for a container."""

    def hold(self, invitation: Invitation, bundle: int, claim: str, lease_seconds: float) -> None:
        """This claim is to be renewed from now on, and no other."""

    def drop(self) -> None:
        """No claim is to be renewed."""

    def end_locks(self) -> None:
        """The bundle's tasks have run: locks that they have not given back are free."""
