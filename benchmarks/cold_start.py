"""A container's first task: from the call of compute to its start, with and without pre-warming."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import dask
from dask.delayed import delayed

from benchmarks.peers import SERVERLESS
from benchmarks.peers.docker_containers import TOLD
from benchmarks.report import duration
from benchmarks.rounds import Effort
from benchmarks.samples import Sample, Table
from dask_serverless import Serverless
from dask_serverless.backends.docker.attendance import Attendance
from dask_serverless.worker.invitation import Invitation

COLD, WARMED = "cold-start", "warmed-start"
FAMILY = "start"
LEAD_SECONDS = 5.0  # a warmed one has had, to import its libraries: what plans ask for in time
DEADLINE_SECONDS = 60.0
LOOK_SECONDS = 0.02


def measure_cold(peers: Sequence[str], table: Table, effort: Effort) -> None:
    """In turns, each in a container that never had work; the image and the store are there."""
    if SERVERLESS not in peers:
        return
    table.families.update({COLD: FAMILY, WARMED: FAMILY})
    with Serverless(containers=1, **TOLD) as scheduler:
        first_task(scheduler)
        attendance = scheduler._engine.backend.attendance
        for _ in range(effort.repeat):
            for name, prepare in ((COLD, empty), (WARMED, warmed)):
                prepare(attendance)
                table.cell(name, SERVERLESS).samples.append(Sample(first_task(scheduler)))


def empty(attendance: Attendance) -> None:
    """All containers have left."""
    attendance.idle_seconds, usual = 0.0, attendance.idle_seconds
    until(lambda: not attendance.site.pool.cells)
    attendance.idle_seconds = usual


def warmed(attendance: Attendance) -> None:
    """There is one that never had work."""
    empty(attendance)
    attendance.warm(Invitation("", "", ""), 1)
    until(lambda: bool(attendance.site.pool.resting()))
    time.sleep(LEAD_SECONDS)


def until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not there():
        if time.monotonic() > deadline:
            raise TimeoutError(f"containers did not come and go within {DEADLINE_SECONDS:g} s")
        time.sleep(LOOK_SECONDS)


def first_task(scheduler: Serverless) -> float:
    """Containers have this host's clock."""
    begun = time.time()
    (started,) = dask.compute(delayed(time.time, pure=False)(), scheduler=scheduler)
    return float(started - begun)


def saved(table: Table) -> Iterator[str]:
    """What pre-warming saves of a cold start."""
    cold, warmed = table.measured(COLD, SERVERLESS), table.measured(WARMED, SERVERLESS)
    if cold and warmed:
        share = 1 - warmed.seconds / cold.seconds
        yield (
            f"a container's first task begins {duration(cold.seconds)} after the call of compute, "
            f"in one that was warmed {duration(warmed.seconds)}: {share:.1%} are saved"
        )
