"""Watch: what the client tells of a run to whoever looks at it; nobody does, as a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from dask_serverless.blobs.base import Command
    from dask_serverless.client.report import RunReport
    from dask_serverless.worker.rhythm import Rhythm
    from planners.graph.dag import Dag


class Left(NamedTuple):
    """What is among a run's own keys as it ends, and may be wanted for longer."""

    run: str
    losses: bool  # containers may have been lost
    lines: bool  # tasks may have printed


class Watch(Protocol):
    """One run, as its client tells of it."""

    @property
    def rhythm(self) -> Rhythm | None:
        """How often containers tell of it; None: not at all."""

    def begun(self, report: RunReport, dag: Dag, containers: int) -> list[Command]:
        """What goes to the store before the run; the report has its plan by now."""

    def submitted(self) -> None:
        """Containers are at work, and there is time for what is large."""

    def keep(self) -> list[Command]:
        """What goes to the store now and then, so that nothing of it expires while the run goes on."""

    def ending(self, left: Left) -> None:
        """The run's own keys are about to go."""

    def over(self, report: RunReport, error: BaseException | None) -> None:
        """The client has what it wanted, or knows why not."""


class Nobody:
    """Looks: nothing is told, and nothing costs anything."""

    rhythm = None

    def begun(self, report: RunReport, dag: Dag, containers: int) -> list[Command]:
        return []

    def submitted(self) -> None: ...

    def keep(self) -> list[Command]:
        return []

    def ending(self, left: Left) -> None: ...

    def over(self, report: RunReport, error: BaseException | None) -> None: ...


NOBODY = Nobody()
