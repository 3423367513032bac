"""Series: from what containers told to when everything happened; no store, no clock, no Bokeh.

All times are seconds since the run was submitted; infinity is what has not happened (yet).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dask_serverless.client.structure import Structure
from dask_serverless.coordination.watched import Loss, Losses
from dask_serverless.dashboard.edges import Edges
from dask_serverless.dashboard.lines import Lines
from dask_serverless.dashboard.seen import (
    NEVER,
    NOBODY,
    ContainerSeries,
    Copy,
    Failed,
    Lost,
    Part,
    TriedAgain,
)
from dask_serverless.worker.said import Said
from dask_serverless.worker.witness import FAILED, FINISHED, UNDER_WAY, Batch, Sighting
from planners.graph.arrays import Bytes, Flags, Floats, Ids

SILENT_SECONDS = 15.0  # a client looks after its run every second, if it is there
MOST_SUBMITTING_SECONDS = 60.0
MOST_FAILURES = 1000  # that are kept with their words
MOST_COPIES = 10_000  # of tasks, that are kept with their times


@dataclass
class Series:
    """All that is known of one run. ``version`` grows with each change."""

    structure: Structure
    version: int = 0
    dropped: int = 0  # sightings that did not arrive
    over_at: float = NEVER
    over: Mapping[str, Any] | None = None  # what the client said at the end
    phases: Mapping[str, Any] = field(default_factory=dict)
    containers: dict[str, ContainerSeries] = field(default_factory=dict)
    failures: list[Failed] = field(default_factory=list)
    losses: list[Lost] = field(default_factory=list)  # the first so many
    tries: dict[int, int] = field(default_factory=dict)  # bundle → containers lost with it
    tried_again: list[TriedAgain] = field(default_factory=list)  # the first so many
    retries: dict[int, int] = field(default_factory=dict)  # task → attempts that raised, but one
    lines: Lines = field(default_factory=Lines)
    parts: list[Part] = field(default_factory=list)  # that are finished
    made: dict[int, set[int]] = field(default_factory=dict)  # bundle that was divided → its tasks
    # of which its finished parts tell
    copies: list[Copy] = field(default_factory=list)  # the first so many
    latest: float = 0.0  # of all that was told
    counted: Flags | None = None  # of a run that failed: bundles that were done by then
    abandoned: bool = False  # the client is silent, and has not said that it is over

    def __post_init__(self) -> None:
        bundles, tasks = self.structure.bundle_count, self.structure.tasks
        self.edges = Edges(self.structure)
        # By the client's clock, until the store's is told.
        self.submitted = self.structure.submitted
        self.claimed: Floats = np.full(bundles, NEVER)
        self.fetched: Floats = np.full(bundles, NEVER)
        self.executed: Floats = np.full(bundles, NEVER)
        self.finished: Floats = np.full(bundles, NEVER)
        self.lost: Floats = np.full(bundles, NEVER)  # when its container was
        self.container: Ids = np.full(bundles, NOBODY, dtype=np.int32)
        self.task_on: Ids = np.full(tasks, NOBODY, dtype=np.int32)  # the container that ran it
        self.task_begun: Floats = np.full(tasks, NEVER)
        self.task_ended: Floats = np.full(tasks, NEVER)
        self.task_failed: Floats = np.full(tasks, NEVER)
        self.task_again: Floats = np.full(tasks, NEVER)  # when it raised first, and was tried again
        self.nbytes: Bytes = np.full(tasks, -1, dtype=np.int64)  # of stored outputs; -1: not stored
        self.told_bytes = 0  # of stored outputs, as reports count them

    # What arrives

    def heed(self, batch: Batch) -> None:
        container = self.container_named(batch.container)
        self.dropped += max(0, batch.number - container.expected)
        container.expected = batch.number + len(batch.sightings)
        self.heed_container(container, batch)
        for sighting in batch.sightings:
            self.see(sighting, container)
        self.version += 1

    def container_named(self, name: str) -> ContainerSeries:
        if name not in self.containers:
            self.containers[name] = ContainerSeries(name, len(self.containers))
        return self.containers[name]

    def heed_container(self, container: ContainerSeries, batch: Batch) -> None:
        if container.arrived == NEVER:
            container.arrived, container.cold = self.since(batch.arrived), batch.cold
            container.asked = self.since(batch.asked or batch.arrived)
        came = self.since(batch.arrived)
        if came > container.came:  # back, after what else it did
            container.away += max(0.0, came - container.last)
        container.came = came
        container.peak_bytes = max(container.peak_bytes, batch.peak_bytes)
        container.cpu_seconds = max(container.cpu_seconds, batch.cpu_seconds)

    def since(self, moment: float) -> float:
        return moment - self.submitted

    def see(self, sighting: Sighting, container: ContainerSeries) -> None:
        bundle = sighting.bundle
        if not 0 <= bundle < self.structure.bundle_count or self.finished[bundle] < NEVER:
            return  # of a container that was taken for lost, and came second
        begun = self.since(sighting.started)
        self.see_claimed(sighting, container, begun)
        self.see_tasks(sighting, container, begun)
        self.see_again(sighting, container, begun)
        end = begun + sighting.fetching + sighting.running + sighting.storing
        self.latest = max(self.latest, end)
        container.since = min(container.since, begun)
        container.last = max(container.last, end)
        if sighting.state == FINISHED:
            self.see_finished(sighting, container, end)
        elif sighting.state == FAILED:
            self.see_failed(sighting, container, end)

    def see_claimed(self, sighting: Sighting, container: ContainerSeries, begun: float) -> None:
        """Of one that was divided it is the first container that counts; of one that was lost, the
        last, also if the loss is not known yet: of a run that is over it is told at the end.
        """
        bundle = sighting.bundle
        whole = sighting.state != UNDER_WAY and not sighting.part
        if whole or begun <= self.claimed[bundle] or self.lost[bundle] < NEVER:
            self.claimed[bundle] = begun
            self.container[bundle] = container.index

    def see_tasks(self, sighting: Sighting, container: ContainerSeries, begun: float) -> None:
        tasks = np.frombuffer(sighting.tasks, np.int32)
        begins = np.frombuffer(sighting.begins, np.float32)
        ends = np.frombuffer(sighting.ends, np.float32)
        known = min(len(begins), len(ends))
        tasks, begins, ends = tasks[:known], begun + begins[:known], begun + ends[:known]
        there = self.own(tasks, sighting.bundle)
        mine = tasks[there]
        self.task_begun[mine], self.task_ended[mine] = begins[there], ends[there]
        self.task_on[mine] = container.index
        for at in np.flatnonzero(~there)[: MOST_COPIES - len(self.copies)].tolist():
            self.see_copy(Copy(int(tasks[at]), sighting.bundle, container.index,
                float(begins[at]), float(ends[at])))  # fmt: skip

    def own(self, tasks: Ids, bundle: int) -> Flags:
        """Which of these tasks are the bundle's: others ran in it once more."""
        known = (tasks >= 0) & (tasks < self.structure.tasks)
        known[known] = self.structure.bundles[tasks[known]] == bundle
        return known

    def see_copy(self, copy: Copy) -> None:
        if 0 <= copy.task < self.structure.tasks:
            self.copies.append(copy)

    def see_again(self, sighting: Sighting, container: ContainerSeries, begun: float) -> None:
        for task, after, why in sighting.again:
            if not 0 <= task < self.structure.tasks:
                continue
            at = begun + after
            self.retries[task] = self.retries.get(task, 0) + 1
            self.task_again[task] = min(self.task_again[task], at)
            if len(self.tried_again) < MOST_FAILURES:
                again = TriedAgain(task, sighting.bundle, container.index, at, str(why))
                self.tried_again.append(again)

    def see_finished(self, sighting: Sighting, container: ContainerSeries, end: float) -> None:
        if not sighting.part:
            self.finish(sighting.bundle, self.since(sighting.started), sighting, end)
        else:
            self.see_part(sighting, container, end)
        outputs = np.frombuffer(sighting.outputs, np.int32)
        mine = (outputs >= 0) & (outputs < self.structure.tasks)
        self.nbytes[outputs[mine]] = np.frombuffer(sighting.sizes, np.int64)[mine]
        self.told_bytes += sighting.stored_bytes
        container.bundles += 1
        container.fetching += sighting.fetching
        container.running += sighting.running
        container.storing += sighting.storing
        container.calls += sighting.calls
        container.stored_bytes += sighting.stored_bytes

    def finish(self, bundle: int, begun: float, sighting: Sighting, end: float) -> None:
        if self.counted is not None and not self.counted[bundle]:
            return
        self.fetched[bundle] = begun + sighting.fetching
        self.executed[bundle] = end - sighting.storing
        self.finished[bundle] = end

    def see_part(self, sighting: Sighting, container: ContainerSeries, end: float) -> None:
        """Its bundle is finished with the last of its parts."""
        bundle, begun = sighting.bundle, self.since(sighting.started)
        fetched, executed = begun + sighting.fetching, end - sighting.storing
        self.parts.append(Part(bundle, container.index, begun, fetched, executed, end))
        made = self.made.setdefault(bundle, set())
        made.update(sighting.part)
        if made.issuperset(np.flatnonzero(self.structure.bundles == bundle).tolist()):
            last = max(part.finished for part in self.parts if part.bundle == bundle)
            self.finish(bundle, float(self.claimed[bundle]), sighting, last)

    def see_failed(self, sighting: Sighting, container: ContainerSeries, end: float) -> None:
        blame = sighting.failure[1] if sighting.failure else None
        task = int(blame["task"]) if blame else NOBODY
        if 0 <= task < self.structure.tasks:
            self.task_failed[task] = end
            begins = np.frombuffer(sighting.begins, np.float32)
            if len(begins) > len(sighting.ends) // begins.itemsize:
                self.task_begun[task] = self.since(sighting.started) + begins[-1]
        if len(self.failures) < MOST_FAILURES:
            failed = Failed(task, sighting.bundle, container.name, end, sighting.failure)
            self.failures.append(failed)

    def heed_lines(self, lines: Iterable[Said]) -> None:
        for line in lines:
            self.lines.add(line)
            self.version += 1

    def attempts(self, task: int) -> int:
        """The one that counts, or is under way."""
        lost = self.tries.get(int(self.structure.bundles[task]), 0)
        return 1 + lost + self.retries.get(task, 0)

    def heed_working(self, working: Mapping[int, str], now: float) -> None:
        """Which container has which bundle just now; containers tell of it only afterwards."""
        for bundle, name in working.items():
            unknown = 0 <= bundle < len(self.claimed) and self.finished[bundle] == NEVER
            if unknown and self.claimed[bundle] == NEVER:
                self.claimed[bundle] = now
                self.container[bundle] = self.container_named(name).index
                self.version += 1

    def heed_losses(self, losses: Losses) -> None:
        for bundle, tries, story in losses:
            known = self.tries.get(bundle, 0)
            if 0 <= bundle < len(self.lost) and known < tries:
                self.tries[bundle] = tries
                for told in story[known - tries :]:
                    self.see_lost(bundle, Loss(*told))
                self.version += 1

    def see_lost(self, bundle: int, loss: Loss) -> None:
        at = self.since(loss.at_ms / 1000)
        since = self.since(loss.since_ms / 1000) if loss.since_ms else NEVER
        self.lost[bundle] = min(self.lost[bundle], at)
        index = NOBODY
        if loss.container:
            container = self.container_named(loss.container)
            container.gone, index = loss.why, container.index
        if self.container[bundle] == index and self.finished[bundle] == NEVER:
            self.claimed[bundle] = NEVER  # until the next one has it
            self.container[bundle] = NOBODY
        if len(self.losses) < MOST_FAILURES:
            self.losses.append(Lost(bundle, index, at, loss.why, since))

    def heed_lost_after(self, tries: int) -> None:
        """The run ended since as many containers were lost over the same bundle."""
        for bundle, lost in self.tries.items():
            if lost >= tries and self.finished[bundle] == NEVER:
                mine = self.structure.bundles == bundle
                self.task_failed[mine & (self.task_ended == NEVER)] = self.over_at

    def heed_silence(self, seconds: float) -> None:
        """Of a client; one that was only stopped for a while comes back."""
        abandoned = self.over is None and seconds > SILENT_SECONDS
        if abandoned != self.abandoned:
            self.abandoned = abandoned
            self.version += 1

    def heed_end(self, told: Mapping[str, Any]) -> None:
        self.over = told
        self.version += 1
        self.count_from(told.get("submitted"))
        self.abandoned = False
        self.over_at = self.since(float(told["at"]))
        self.phases = told.get("phases", {})
        for name in told.get("containers", ()):  # also those that were at their first bundle
            self.container_named(name)
        if told.get("done"):
            self.heed_done(told["done"])
        self.heed_losses(told["losses"])
        if told.get("lost_after"):
            self.heed_lost_after(told["lost_after"])

    def count_from(self, submitted: float | None) -> None:
        """Makespans begin when the store has the run, which the client tells at the end: until then
        times count from when it began to submit. A store whose clock is another one has no say.
        """
        later = (submitted or 0.0) - self.submitted
        if not 0.0 < later < MOST_SUBMITTING_SECONDS:
            return
        self.submitted += later
        self.latest = max(self.latest - later, 0.0)
        for times in (
            self.claimed, self.fetched, self.executed, self.finished, self.lost,
            self.task_begun, self.task_ended, self.task_failed, self.task_again,
        ):  # fmt: skip
            times -= later
        for container in self.containers.values():
            container.sooner(later)
        timed: tuple[list[Any], ...] = (
            self.failures, self.losses, self.tried_again, self.parts, self.copies,
        )  # fmt: skip
        for those in timed:
            those[:] = [each.sooner(later) for each in those]

    def heed_done(self, packed: bytes) -> None:
        """A bit for each bundle. While a run fails others finish bundles, and tell of them, of which
        the store takes no notice any more.
        """
        bits = np.frombuffer(packed, dtype=np.uint8)
        self.counted = np.unpackbits(bits, count=self.structure.bundle_count).astype(bool)
        for times in (self.fetched, self.executed, self.finished):
            times[~self.counted] = NEVER

    # What follows from it

    @property
    def goes_on(self) -> bool:
        return self.over is None and not self.abandoned

    @property
    def succeeded(self) -> bool:
        return self.over is not None and self.over.get("error") == ""

    @property
    def end(self) -> float:
        """Of what is known: the run's end, or the latest that was told."""
        return self.over_at if self.over_at < NEVER else self.latest

    @property
    def untold(self) -> int:
        """Bundles of which nobody told, or not yet, though the client knows that they are done."""
        if self.succeeded:
            return self.structure.bundle_count - self.done_bundles
        if self.counted is not None:
            return int(np.count_nonzero(self.counted)) - self.done_bundles
        return self.dropped

    @property
    def done_tasks(self) -> int:
        done = self.finished < NEVER if self.counted is None else self.counted
        return int(np.count_nonzero((self.task_ended < NEVER) | done[self.structure.bundles]))

    @property
    def done_bundles(self) -> int:
        """That were told of."""
        return int(np.count_nonzero(self.finished < NEVER))
