"""A container of the classic protocol: runs a task, stores, counts, goes on, invokes the others."""

from __future__ import annotations

import pickle
import time
from collections.abc import Sequence
from multiprocessing.queues import SimpleQueue
from typing import Any

from benchmarks.classic.job import Job, Keys
from dask_serverless.blobs.frames import framed, unframed
from dask_serverless.store.connect import open_link
from dask_serverless.worker.execute import StepFailed, run

Invocation = tuple[str, int, float]  # run, task, when it was asked for
Invocations = SimpleQueue  # of Invocation; None: leave


class Container:
    def __init__(self, store: str, invocations: Any, calls: Any, number: int) -> None:
        self.link = open_link(store)
        self.invocations = invocations
        self.calls, self.number = calls, number
        self.run = ""

    def work(self, run: str, task: int | None) -> None:
        """From the start of a chain to where nothing goes on here."""
        if run != self.run:
            self.run, self.keys = run, Keys(run)
            self.job = Job.unpack(self.call(("GET", self.keys.job))[0])
        here: dict[int, Any] = {}  # the output just made
        try:
            while task is not None:
                here = {task: self.result(task, here)}
                self.store(task, here[task])
                task = self.following(task)
        except Exception as error:
            cause = error.__cause__ if isinstance(error, StepFailed) else error
            self.call(("RPUSH", self.keys.done, pickle.dumps(cause)))

    def result(self, task: int, here: dict[int, Any]) -> Any:
        job = self.job
        values = {name: job.constants[name] for name in job.constants_of.get(task, ())}
        values.update(here)
        values.update(self.fetched([name for name in job.inputs[task] if name not in here]))
        run(job.programs[task], job.functions, values, (task,))
        return values[task]

    def fetched(self, tasks: Sequence[int]) -> dict[int, Any]:
        if not tasks:
            return {}
        found = self.call(*[("GET", self.keys.output(task)) for task in tasks])
        return {t: unframed(bytearray(data)) for t, data in zip(tasks, found, strict=True)}

    def store(self, task: int, value: Any) -> None:
        self.call(("SET", self.keys.output(task), b"".join(framed(value))))
        if task in self.job.wanted:
            self.call(("RPUSH", self.keys.done, task))

    def following(self, task: int) -> int | None:
        """Who became ready: one of them is ours."""
        ready = [user for user in self.job.users[task] if self.is_last(user)]
        for other in ready[1:]:
            self.invocations.put((self.run, other, time.time()))
        return ready[0] if ready else None

    def is_last(self, user: int) -> bool:
        inputs = len(self.job.inputs[user])
        return inputs == 1 or self.call(("INCR", self.keys.count(user)))[0] == inputs

    def call(self, *commands: Any) -> Any:
        self.calls[self.number] += 1
        return self.link.call(*commands)


def serve(store: str, invocations: Any, calls: Any, number: int, invoke_seconds: float) -> None:
    """Live until there is nothing more to come."""
    container = Container(store, invocations, calls, number)
    while (invocation := invocations.get()) is not None:
        run, task, asked = invocation
        time.sleep(max(0.0, asked + invoke_seconds - time.time()))
        container.work(run, task)
    container.link.close()
