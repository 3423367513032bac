"""Means: what a container has at hand, whichever run it works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dask_serverless.worker.connections import Connections
from dask_serverless.worker.holding import Holding
from dask_serverless.worker.interruption import Interruption
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.under import UNNOTICED, Past
from dask_serverless.worker.usage import ProcessMemory, Usage
from dask_serverless.worker.voice import UNHEARD, Mouth, Unheard, Voice


@dataclass(frozen=True)
class Means:
    """Lives as long as the container."""

    container: str
    connections: Connections
    invite: Callable[[Invitation], None]  # asks the backend for another container
    complain: Callable[[Invitation, str], None]  # the store cannot be used from here
    holding: Holding
    interruption: Interruption = field(default_factory=Interruption)
    mouth: Mouth | None = None  # takes what tasks print, where anybody can
    past: Past = UNNOTICED  # takes what they write past that
    usage: Usage = field(default_factory=lambda: Usage(ProcessMemory()))
    outgrow: Callable[[str], None] | None = None  # ends this container, for a larger one to come

    def voice(self, invitation: Invitation) -> Voice | Unheard:
        """Whoever takes down what tasks of a run print, where the client wants that."""
        if self.mouth is None:
            return UNHEARD
        return Voice(self.mouth, invitation.store, invitation.run, self.container, self.past)

    @property
    def memory_mb(self) -> int:
        """That this container may use; 0: no limit is known."""
        return self.usage.memory.limit_mb

    def outgrown(self, invitation: Invitation) -> tuple[type[Exception], ...]:
        """What a task may raise that it would only raise again here, but not in a larger container."""
        can = self.outgrow is not None and self.memory_mb < invitation.largest_mb
        return (MemoryError,) if can else ()
