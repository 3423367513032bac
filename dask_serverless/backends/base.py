"""What a backend does: invoke containers, and say when one is gone. It decides nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dask_serverless.worker.invitation import Invitation

# Called with a container's name and why it is gone; "*" means all of the backend's, and "" one that
# is well, but cannot reach the store.
Gone = Callable[[str, str], None]


class Backend(Protocol):
    containers: int  # how many it runs at once at most
    same_host: bool  # whether they share this host's files and folders

    def start(self) -> None:
        """Begin to start up; needed by nobody who can wait until the first invocation."""

    def invoke(self, invitation: Invitation, count: int = 1) -> None:
        """Ask for containers to work on a run. What gets lost is asked for again by the sweep."""

    def watch(self, run: str, gone: Gone) -> None:
        """Tell of containers that are gone while they work on this run."""

    def stop(self, run: str, settled: Callable[[], None]) -> None:
        """Free the containers that work on a run, by force if need be.

        ``settled`` is called, once and from whichever thread, when none of them works on it.
        """

    def forget(self, run: str) -> None:
        """The run is over and has left nothing: watch it no more."""

    def close(self) -> None:
        """End every container."""
