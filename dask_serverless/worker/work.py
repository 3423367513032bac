"""A bundle under way: its inputs are here, its tasks run, its outputs are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from dask_serverless.worker.attempt import Attempt
from dask_serverless.worker.bundle import BundleSpec
from dask_serverless.worker.execute import Watch, run
from dask_serverless.worker.known_run import Settled
from dask_serverless.worker.outputs import Outputs, Unstorable, put_outputs
from dask_serverless.worker.timing import Timer


@dataclass
class Work:
    attempt: Attempt
    settled: Settled
    spec: BundleSpec
    values: dict[int, Any]  # inputs and constants, then outputs, by name
    constants: dict[int, Any]  # alive to the end, as at the client
    fetching: float  # seconds
    running: float = 0.0
    storing: float = 0.0
    timer: Timer = field(default_factory=Timer)

    def run(self, watch: Watch | None) -> None:
        begun = perf_counter()
        run(self.spec.program, self.settled.functions, self.values, self.spec.stored, watch)
        self.running = perf_counter() - begun

    def store(self) -> Outputs:
        """What others need of it, stored or on its way into the call that announces it."""
        begun = perf_counter()
        written = self.attempt.written
        try:
            names = self.attempt.names()
            outputs = put_outputs(self.spec, self.values, self.settled.blobs, names)
        except Unstorable as failed:
            written += failed.written
            raise
        written += outputs.written
        self.constants.clear()  # files that they opened are closed when the client hears of it
        self.storing = perf_counter() - begun
        return outputs

    def function_of(self, task: int) -> int:
        """The one that makes a task's output; -1 if it is none of this bundle's."""
        return next((step[1] for step in self.spec.program if step[0] == task), -1)
