"""What the client makes of what containers tell: reports, callbacks, and its own part of the run."""

from __future__ import annotations

from collections.abc import Sequence

from dask_serverless.client.callbacks import Observers
from dask_serverless.client.home import AtHome
from dask_serverless.client.lookout import Lookout
from dask_serverless.client.report import RunReport
from dask_serverless.client.results import Results
from dask_serverless.coordination.base import Event, What
from dask_serverless.coordination.moving import Move
from dask_serverless.coordination.resizing import Resize
from dask_serverless.coordination.splitting import Split
from dask_serverless.coordination.untold import Untold
from dask_serverless.errors import ResultTooLarge
from dask_serverless.history.gathering import Gathering
from dask_serverless.worker.told import Finished, Progress


class Listener:
    """Told of each event once."""

    def __init__(
        self,
        lookout: Lookout,
        results: Results,
        home: AtHome | None,
        observers: Observers,
        report: RunReport,
        gathering: Gathering | None,
        result_limit: int | None,  # bytes
    ) -> None:
        self.lookout = lookout
        self.results = results
        self.home = home
        self.observers = observers
        self.report = report
        self.gathering = gathering
        self.result_limit = None if observers.values else result_limit  # they get everything
        self.wanted_bytes = 0
        self.postponed: list[int] = []  # outputs that the client's part gets at the end
        self.heeded = 0  # events
        self.ended = False  # whether the run's failure was among them

    def heed(self, event: Event) -> None:
        self.heeded += 1
        match event.what:
            case What.FAILED:
                self.ended = True
                self.report.failed(event)
                raise self.lookout.failure(event.payload)
            case What.PROGRESS:
                told = Progress.unpack(event.payload)
                self.observers.tasks(told.times, told.container, self.results.values)
            case What.MOVED:
                self.report.moves.append((Move.unpack(event.payload), event.at))
            case What.SPLIT:
                split = Split.unpack(event.payload)
                self.lookout.parts.divided(split)
                self.report.splits.append((split, event.at))
            case What.RESIZED:
                self.report.resizes.append((Resize.unpack(event.payload), event.at))
            case What.UNTOLD:
                self.report.untold(Untold.unpack(event.payload))
            case What.FINISHED:
                self.finished(Finished.unpack(event.payload), event)

    def account(self, events: Sequence[Event]) -> None:
        """Of a run that failed: what its containers took until then was taken nevertheless.

        Of all its events, those that were heeded have been counted.
        """
        for event in events[self.heeded :]:
            if event.what is What.FINISHED:
                self.report.bundle(Finished.unpack(event.payload), event)
            elif event.what is What.UNTOLD:
                self.report.untold(Untold.unpack(event.payload))
            elif event.what is What.FAILED:
                self.report.failed(event)

    def end(self) -> None:
        """All bundles are done."""
        self.bring_home(self.postponed)

    def finished(self, told: Finished, event: Event) -> None:
        self.report.bundle(told, event)
        self.lookout.hearing.expect(told.spoke)
        if self.gathering is not None:
            self.gathering.bundle(told)
        self.results.told(told.outputs or {})
        arriving = self.arriving(told)
        if not arriving:
            self.wanted_bytes += told.wanted_bytes
        if self.result_limit is not None and self.wanted_bytes > self.result_limit:
            raise ResultTooLarge(self.wanted_bytes, self.result_limit)
        if self.observers.times:
            self.observers.tasks(told.times, told.container, self.results.values)
        if self.home is not None and self.home.afterwards:
            self.postponed += arriving
        else:
            self.bring_home(arriving)

    def arriving(self, told: Finished) -> list[int]:
        """Which outputs of a bundle, or of a part of it, the client's own part waits for."""
        if self.home is None:
            return []
        inputs, tasks = self.home.inputs, told.part
        if tasks is None:
            tasks = self.lookout.parts.tasks_of(told.bundle).tolist()
        return [task for task in tasks if task in inputs]

    def bring_home(self, tasks: Sequence[int]) -> None:
        """Run what waited at the client for these outputs; they take room nowhere after that."""
        if self.home is None:
            return
        dag = self.lookout.dag
        self.results.locate(tasks)
        for task in tasks:
            (value,) = self.results.values([task])
            self.home.arrived(task, value)
            if task not in self.home.asked and not dag.user_counts[task]:
                self.results.delete(task)
            self.lookout.look_in_time()
