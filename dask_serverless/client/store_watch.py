"""Store watch: what a run leaves in the store for whoever looks at it, as it goes on and afterwards."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np
from dask.utils import key_split

from dask_serverless.blobs.base import LIVE_SECONDS, Command
from dask_serverless.client.audience import Reporting
from dask_serverless.client.failed import Failed
from dask_serverless.client.kept import keep, measured
from dask_serverless.client.replanned import divided_bundles, moved_bundles, resized_runs
from dask_serverless.client.report import RunReport
from dask_serverless.client.structure import (
    Structure,
    planned_times,
    predicted_times,
    structure_of,
)
from dask_serverless.client.watch import Left
from dask_serverless.coordination import watched
from dask_serverless.errors import BundleLost, StoreError
from dask_serverless.store.link import Link
from dask_serverless.worker.rhythm import Rhythm
from planners.graph.dag import Dag

if TYPE_CHECKING:
    from planners.cost.outlook import Outlook

logger = logging.getLogger(__name__)

REPORTED = (
    "tasks", "bundles", "cold_starts", "warm_starts", "client_calls", "container_calls",
    "bytes_moved", "bytes_kept", "cost", "paid_gb_seconds", "makespan_seconds", "wall_seconds", "phases", "containers",
)  # fmt: skip
MANY_TASKS = 1000  # to pack more takes longer than a round trip
MOST_RESULTS = 100  # of a run that are looked at
MOST_PREFIXES = 3  # of them that are told
KEEP_SECONDS = 24 * 3600  # what is left of a run: from its beginning, and again from its end
MOST_LISTED_CHARACTERS = 200  # of an error in the list of runs
MOST_MOVES = 100  # changes of the plan of each kind that are told of
MOST_ANNOTATIONS = 10_000  # of a plan: to look at more takes longer than it tells
PATIENCE_SECONDS = 1.0  # with a store that is gone: the run's own error is not to wait for this


class StoreWatch:
    """Tells the store. That it cannot is no reason for a run to fail."""

    def __init__(
        self,
        link: Link,
        rhythm: Rhythm,
        store: str,
        reports: Sequence[Reporting],
        listed: bool,
        live_seconds: int = LIVE_SECONDS,
    ) -> None:
        self.link = link
        self.rhythm = rhythm
        self.store = store
        self.reports = reports
        self.listed = listed  # among the runs that dashboards show
        self.live_seconds = live_seconds  # of the run's own keys
        self.run = ""
        self.begun_at = 0.0
        self.foreseen: Callable[[], Outlook] | None = None
        self.structure: Structure | None = None  # until it is stored
        self.shape_bytes = 0  # of it, as it was stored
        self.losses: watched.Losses = ()

    def begun(self, report: RunReport, dag: Dag, containers: int) -> list[Command]:
        run = self.run = report.run
        for reporting in self.reports:
            reporting.note(self.store, run)
        host = socket.gethostname()
        structure = structure_of(report, 0.0, dag, containers, host)
        self.structure = replace(structure, prices=vars(report.prices()))
        self.foreseen = report.by_numbers
        if dag.tasks <= MANY_TASKS:
            self.foresee()
        # What was foreseen took time, and nobody has waited for a task yet.
        self.begun_at = time.time()
        self.structure = replace(
            self.structure, submitted=self.begun_at, live_seconds=self.live_seconds
        )
        if dag.tasks > MANY_TASKS:
            return watched.begun(run, KEEP_SECONDS)
        return [*watched.begun(run, KEEP_SECONDS), *self.shape()]

    def submitted(self) -> None:
        if self.structure is not None:
            run = self.structure.run
            self.foresee()
            self.attempt(*self.shape())
            self.bound(run, self.shape_bytes)

    def keep(self) -> list[Command]:
        return watched.kept(self.run, KEEP_SECONDS)

    def foresee(self) -> None:
        if self.foreseen is not None and self.structure is not None:
            outlook = self.foreseen()
            self.structure = replace(
                self.structure, timeline=planned_times(outlook), predicted=predicted_times(outlook)
            )

    def shape(self) -> list[Command]:
        """What the run looks like, and where dashboards hear of it."""
        structure, self.structure = self.structure, None
        assert structure is not None
        told = {
            "run": structure.run, "submitted": structure.submitted, "tasks": structure.tasks,
            "bundles": structure.bundle_count, "host": structure.host, "ends": True,
            "planner": structure.planner, "results": results_of(structure),
            "live": structure.live_seconds,
        }  # fmt: skip
        packed = structure.pack()
        self.shape_bytes = len(packed)
        shaped = watched.shaped(structure.run, packed, KEEP_SECONDS)
        return [shaped, *self.line(watched.RUN, told)]

    def ending(self, left: Left) -> None:
        if left.lines:
            self.attempt(*watched.lines_kept(left.run, KEEP_SECONDS))
        if left.losses:
            losses = self.attempt(("HGETALL", watched.losses_key(left.run)))
            self.losses = watched.losses(losses[0]) if losses else []

    def over(self, report: RunReport, error: BaseException | None) -> None:
        if not self.begun_at:
            return
        self.submitted()  # where the run failed before
        told = {
            "at": time.time(),
            "submitted": report.submitted,
            "error": report.error,
            "done": report.done_bits,
            "losses": self.losses,
            "lost_after": lost_after(error),
            "moves": moved_bundles(report)[:MOST_MOVES],
            "splits": divided_bundles(report)[:MOST_MOVES],
            "resizes": resized_runs(report)[:MOST_MOVES],
            "saved": saved(report) if error is None else {},
            **{name: getattr(report, name) for name in REPORTED},
        }
        added = watched.added(report.run, watched.OVER, msgpack.packb(told))
        used = measured(report.run)
        kept = (*self.ended(report, told["error"]), *watched.kept(report.run, KEEP_SECONDS))
        replies = self.attempt(added, *kept, *used)
        nbytes = sum(reply or 0 for reply in replies[-len(used) :])
        self.bound(report.run, max(nbytes, self.shape_bytes))  # to measure may be forbidden

    def ended(self, report: RunReport, error: str) -> list[Command]:
        told: dict[str, Any] = {"run": report.run, "seconds": report.makespan_seconds}
        told["cost"] = report.cost if report.containers else 0.0
        told["error"] = error.partition("\n")[0][:MOST_LISTED_CHARACTERS]
        return self.line(watched.OVER, told)

    def line(self, what: str, told: Mapping[str, Any]) -> list[Command]:
        """For the list of runs, where each is told of in one."""
        return watched.listed(what, msgpack.packb(told)) if self.listed else []

    def bound(self, run: str, nbytes: int) -> None:
        """What only a report is made of is removed with the end of that."""
        if self.listed:
            with self.told("what a run leaves is not counted"):
                keep(self.link, run, nbytes, KEEP_SECONDS)

    def attempt(self, *commands: Command) -> list[Any]:
        with self.told("whoever watches is not told"):
            return self.link.call(*commands)
        return []

    @contextmanager
    def told(self, otherwise: str) -> Iterator[None]:
        """What the store does not take, or not soon, is left."""
        patience = self.link.patience_seconds
        self.link.patience_seconds = min(patience, PATIENCE_SECONDS)
        try:
            yield
        except StoreError as error:
            logger.info("%s: %s", otherwise, error)
        finally:
            self.link.patience_seconds = patience


def lost_after(error: BaseException | None) -> int:
    """How many containers in a row the run was ended by; 0: something else ended it."""
    cause = error.error if isinstance(error, Failed) else error
    return cause.tries if isinstance(cause, BundleLost) else 0


def results_of(structure: Structure) -> str:
    """By which whoever computed recognises a run: the prefixes of what it gives."""
    wanted = np.flatnonzero(structure.wanted)[:MOST_RESULTS] if len(structure.labels) else ()
    names = dict.fromkeys(str(key_split(structure.labels[task])) for task in wanted)
    shown = ", ".join(list(names)[:MOST_PREFIXES]) + (", …" if len(names) > MOST_PREFIXES else "")
    return shown[:MOST_LISTED_CHARACTERS].encode(errors="replace").decode()


def saved(report: RunReport) -> dict[str, tuple[int, float, float | None]]:
    """Optimization → how often it was asked for, what the plan hoped to save by it, what came of it."""
    if report.plan is None or len(report.plan.annotations) > MOST_ANNOTATIONS:
        return {}
    return {name: astuple(asked) for name, asked in report.optimizations.items()}
