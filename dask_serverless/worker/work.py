"""A bundle under way: its inputs are here, its tasks run, its outputs are stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from time import perf_counter
from typing import Any

from dask_serverless.worker.attempt import Attempt
from dask_serverless.worker.bundle import BundleSpec, Step
from dask_serverless.worker.early import Early, Sent
from dask_serverless.worker.execute import Watch, run
from dask_serverless.worker.handover import Handover, large_outputs
from dask_serverless.worker.in_parts import InParts
from dask_serverless.worker.known_run import Settled
from dask_serverless.worker.outputs import Outputs, Unstorable, put_outputs
from dask_serverless.worker.packing import Packing
from dask_serverless.worker.parting import Parting
from dask_serverless.worker.retrying import Final, Heard, Raised, Retrying, nap, untold
from dask_serverless.worker.timing import Timer
from dask_serverless.worker.told import Finished

MOST_SECONDS_AT_RISK = 60.0  # then outputs are stored, however large: containers do get lost


@dataclass
class Work:
    attempt: Attempt
    settled: Settled
    spec: BundleSpec
    values: dict[int, Any]  # inputs and constants, then outputs, by name
    constants: dict[int, Any]  # alive to the end, as at the client
    fetching: float  # seconds
    running: float = 0.0
    at_risk: float = 0.0  # seconds of what runs again if this container is lost
    storing: float = 0.0
    retries: int = 0  # attempts at its tasks that raised
    timer: Timer = field(default_factory=Timer)
    handover: Handover | None = None  # where large outputs go, if they may stay in memory
    told: Finished | None = None
    in_parts: InParts | None = None  # where some outputs are streamed
    early: Early | None = None  # where some are stored while it still runs
    parting: Parting | None = None  # by whom it may be divided
    packing: Packing = field(default_factory=Packing)  # what it took
    lasting: dict[int, Any] = field(default_factory=dict)  # outputs that are needed here once more

    def run(
        self,
        program: list[Step],
        watch: Watch | None,
        looks: Sequence[int] = (),
        final: Final = (),
        raised: Raised = untold,
    ) -> None:
        begun, spec, retrying = perf_counter(), self.spec, None
        if spec.retries is not None:
            retrying = Retrying(spec.retries, nap, final, raised)
        runs = run if retrying is None else retrying.run
        if self.parting is not None:
            self.run_pieces(runs, program, self.parting, watch, looks)
        else:
            runs(program, self.settled.functions, self.values, spec.stored, watch, looks)
        self.running = perf_counter() - begun
        if retrying is not None:
            self.retries = retrying.retries
            self.running -= retrying.wasted
        if self.parting is not None:
            self.running -= self.parting.asking
        self.at_risk += self.running

    def run_pieces(
        self,
        runs: Callable[..., None],
        program: list[Step],
        parting: Parting,
        watch: Watch | None,
        looks: Sequence[int],
    ) -> None:
        """One after another; others may get what has not begun."""
        values, heard = self.values, Heard(watch, looks)
        for first, last, keep in parting.in_turn():
            runs(program[first:last], self.settled.functions, values, keep, heard.until(last))
        for name in parting.shared:
            values.pop(name, None)
        self.spec = parting.spec

    def store(self, now: float | None, room: float = 0.0, seconds_per_byte: float = 0.0) -> Outputs:
        """What others need of it, stored or on its way into the call that announces it.

        Without a time, all of it. With one, what may stay here for the next bundle is left; what
        has to wait for its turn, if there is room for so many bytes.
        """
        begun = perf_counter()
        sent = self.sent_early() if self.early is not None else ()
        tasks: Sequence[int] = self.spec.stored
        if sent:
            tasks = [task for task in tasks if task in self.values]
        if now is not None and self.told is None:
            self.handover = self.to_hand_over(now, room, seconds_per_byte)
        if self.handover is not None:
            self.handover.look(now)
            tasks = [
                task for task in tasks if task in self.values and not self.handover.keeps(task)
            ]
            self.handover.remember(tasks, self.values)
        if self.spec.lasting:
            lasting = set(self.spec.lasting)
            self.lasting = {task: self.values[task] for task in tasks if task in lasting}
        try:
            outputs = put_outputs(
                tasks, self.spec.wanted, self.values, self.settled.blobs, self.attempt.names(),
                self.in_parts, self.packing.packs(tasks),
            )  # fmt: skip
        except Unstorable as failed:
            self.attempt.written += failed.written
            raise
        self.attempt.written += outputs.written
        outputs.add_early(sent, self.spec.wanted)
        self.constants.clear()  # files that they opened are closed when the client hears of it
        self.storing += perf_counter() - begun
        return outputs

    def sent_early(self) -> Sequence[Sent]:
        """What has been stored by now; the values are not needed here any more."""
        assert self.early is not None
        early, self.early = self.early, None
        sent = early.finish()
        self.attempt.skipped += early.failed
        for one in sent:
            del self.values[one.task]
            self.attempt.written.append(one.stored.reference)
        return sent

    def give_up(self) -> None:
        """The attempt has come to nothing."""
        if self.early is not None:
            self.early.give_up()

    def to_hand_over(self, now: float, room: float, seconds_per_byte: float) -> Handover | None:
        settled, spec = self.settled, self.spec
        if spec.near is None and not settled.header.local_outputs:
            return None
        large = large_outputs(spec, self.values, settled.blobs.inline_bytes)
        if not large:
            return None
        if self.at_risk > MOST_SECONDS_AT_RISK:
            room = -1.0
        storing = seconds_per_byte * sum(large.values())
        # The next bundle takes as long as this one, as far as anybody knows.
        pays = settled.header.delayed_io and self.running < storing
        wait = storing if pays else 0.0
        return Handover(spec, large, now, room, wait)

    def told_more(self, outputs: Outputs) -> Finished:
        """Of a bundle that was held back, what has been stored since."""
        assert self.told is not None
        self.told = self.told._replace(
            storing=self.storing,
            stored_bytes=self.told.stored_bytes + outputs.nbytes,
            kept_bytes=self.kept_bytes,
        )
        return self.told

    @property
    def kept_bytes(self) -> int:
        """Of outputs that nobody else has."""
        return sum(self.handover.large[task] for task in self.unstored) if self.handover else 0

    @property
    def due(self) -> float:
        """Until when what it holds back may wait."""
        return self.handover.due if self.handover else inf

    def in_memory(self) -> dict[int, Any]:
        """Large outputs that are still here, by task."""
        if self.handover is None:
            return {}
        return {**self.handover.remembered, **{t: self.values[t] for t in self.unstored}}

    @property
    def unstored(self) -> list[int]:
        """Large outputs that nobody else has."""
        return [t for t in self.handover.large if t in self.values] if self.handover else []

    def function_of(self, task: int) -> int:
        """The one that makes a task's output; -1 if it is none of this bundle's."""
        return next((step[1] for step in self.spec.program if step[0] == task), -1)
