"""Classic: the classic protocol as what users pass as ``scheduler=``."""

from __future__ import annotations

import pickle
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Self

from benchmarks.classic.container import serve
from benchmarks.classic.job import Job, Keys
from dask_serverless.blobs.frames import unframed
from dask_serverless.store.connect import open_link
from dask_serverless.translation.recipes import nested
from dask_serverless.translation.translate import materialise, translate

IMPORTED = ("numpy", "dask.array", "benchmarks.classic.container")
STEP_SECONDS = 1.0
LONGEST_SECONDS = 120.0


@dataclass(frozen=True)
class ClassicReport:
    tasks: int
    edges: int
    store_calls: int
    makespan: float


class Classic:
    def __init__(self, store: str, containers: int, invoke_seconds: float = 0.0) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload(list(IMPORTED))
        self.link = open_link(store)
        self.last_run: ClassicReport | None = None
        self.invocations = context.SimpleQueue()
        self.calls = context.Array("Q", containers, lock=False)
        self.processes = [
            context.Process(
                target=serve,
                args=(store, self.invocations, self.calls, number, invoke_seconds),
                daemon=True,
            )
            for number in range(containers)
        ]
        for process in self.processes:
            process.start()

    def __call__(self, graph: Any, keys: Any, **options: Any) -> Any:
        translation = translate(materialise(graph), keys)
        job, names = Job.of(translation), Keys(secrets.token_hex(8))
        calls = sum(self.calls) + self.link.calls
        begun = time.perf_counter()
        try:
            values = self.computed(job, names)
        finally:
            self.clear(job, names)
        self.last_run = ClassicReport(
            tasks=len(job.inputs),
            edges=sum(map(len, job.inputs)),
            store_calls=sum(self.calls) + self.link.calls - calls,
            makespan=time.perf_counter() - begun,
        )
        return nested(translation.keys, translation.recipes, dict(values))

    def computed(self, job: Job, names: Keys) -> Mapping[int, Any]:
        self.link.call(("SET", names.job, job.pack()))
        now = time.time()
        for task in job.roots:
            self.invocations.put((names.run, task, now))
        missing = set(job.wanted)
        end = time.monotonic() + LONGEST_SECONDS
        while missing:
            reply = self.link.call(("BLPOP", names.done, STEP_SECONDS), wait_seconds=STEP_SECONDS)
            if reply[0] is None:
                self.check(end)
            elif reply[0][1].isdigit():
                missing.remove(int(reply[0][1]))
            else:
                raise pickle.loads(reply[0][1])
        wanted = sorted(job.wanted)
        found = self.link.call(*[("GET", names.output(task)) for task in wanted])
        return dict(zip(wanted, (unframed(bytearray(data)) for data in found), strict=True))

    def check(self, end: float) -> None:
        """The protocol has no way to notice a lost container: this benchmark does."""
        if time.monotonic() > end or not all(process.is_alive() for process in self.processes):
            raise RuntimeError("the classic protocol has lost a container, and hangs")

    def clear(self, job: Job, names: Keys) -> None:
        tasks = range(len(job.inputs))
        doomed = [names.job, names.done, *map(names.output, tasks), *map(names.count, tasks)]
        self.link.call(("UNLINK", *doomed))

    def close(self) -> None:
        for _ in self.processes:
            self.invocations.put(None)
        for process in self.processes:
            process.join(5.0)
            if process.is_alive():
                process.kill()
        self.link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
