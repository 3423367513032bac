"""What a backend does: invoke containers, and say when one is gone. It decides nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Protocol

from dask_serverless.coordination.untold import Dead
from dask_serverless.errors import ServerlessError
from dask_serverless.worker.invitation import Invitation

ALL = "*"


@dataclass(frozen=True)
class Loss:
    """A container is gone, or has never come."""

    container: str  # ALL: all of the backend's; "": none that anybody knows of
    why: str
    claimed: bool = True  # whether it had been given a bundle: else nobody else counts its end
    words: str = ""  # the last lines of its standard error
    cut_off: bool = False  # it is well, but cannot reach the store
    error: ServerlessError | None = None  # no other one will fare better: raise this
    out_of_memory: bool = False  # a larger one will fare better, if there is one
    cpu_seconds: float = 0.0  # that it took after it had told of any last, as far as is known
    peak_bytes: int = 0  # the most memory that it had, likewise

    @property
    def told(self) -> str:
        """Why, with its last words."""
        if not self.words:
            return self.why
        return f"{self.why}. It wrote at last:\n{indent(self.words, '    ')}\n"

    @property
    def dead(self) -> Dead:
        """As the store is told."""
        return Dead(self.container, self.told, int(1000 * self.cpu_seconds), self.peak_bytes)

    @property
    def outgrown(self) -> Sequence[str]:
        """Who had too little memory."""
        return [self.container] if self.out_of_memory else ()


Gone = Callable[[Loss], None]


class Backend(Protocol):
    containers: int  # how many it runs at once at most
    same_host: bool  # whether they share this host's files and folders
    answer_seconds: float  # an invitation that nobody answered for so long was lost

    def start(self) -> None:
        """Begin to start up; needed by nobody who can wait until the first invocation."""

    def invoke(self, invitation: Invitation, count: int = 1) -> None:
        """Ask for containers to work on a run. What gets lost is asked for again by the sweep."""

    def watch(self, run: str, gone: Gone) -> None:
        """Tell of containers that are gone while they work on this run."""

    def outage(self) -> ServerlessError | None:
        """Why containers may have cleared a run, if they have taken their owner for dead."""

    def stop(self, run: str, settled: Callable[[], None]) -> None:
        """Free the containers that work on a run, by force if need be.

        ``settled`` is called, once and from whichever thread, when none of them works on it.
        """

    def forget(self, run: str) -> None:
        """The run is over and has left nothing: watch it no more."""

    def close(self) -> None:
        """End every container."""


def keep_modules(backend: Backend, store: str) -> None:
    """What containers to come will import must not expire in a run's store while it goes on.

    Asked for now and then, of backends that have put anything there.
    """
    if keep := getattr(backend, "keep_modules", None):
        keep(store)
