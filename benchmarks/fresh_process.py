"""Fresh processes, peers in turns: from their start until they have printed a first result."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from subprocess import PIPE
from threading import Timer
from time import perf_counter

from benchmarks.environment import REPOSITORY
from benchmarks.samples import Sample, Table

GRAPH = "fresh-process"
DEADLINE_SECONDS = 60


def first_result(name: str, containers: int) -> Sample:
    """The wall time stops at the printed line; how long the peer takes to stop is not counted."""
    command = [sys.executable, "-m", "benchmarks.first_result", name, str(containers)]
    start = perf_counter()
    with (
        subprocess.Popen(command, cwd=REPOSITORY, stdout=PIPE, stderr=PIPE, text=True) as process,
        overdue(process),
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = perf_counter() - start
        _, errors = process.communicate()
    if process.returncode or not line.strip():
        raise RuntimeError((errors.strip() or "no result in time").splitlines()[-1])
    return Sample(seconds, numbers={"imports_to_result": float(line)})


@contextmanager
def overdue(process: subprocess.Popen[str]) -> Iterator[None]:
    """Kill a process that takes forever, be it to its result or to its end."""
    timer = Timer(DEADLINE_SECONDS, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def measure_fresh(names: Sequence[str], table: Table, repeat: int, containers: int) -> None:
    """All rounds; the first brings every peer's modules into the page cache and is not counted."""
    table.families[GRAPH] = "fresh"
    for number in range(repeat + 1):
        for name in names:
            cell = table.cell(GRAPH, name)
            if cell.failure:
                continue
            try:
                sample = first_result(name, containers)
            except (RuntimeError, ValueError) as error:
                cell.failure = f"{type(error).__name__}: {error}"
            else:
                if number:
                    cell.samples.append(sample)
