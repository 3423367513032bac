"""Runs as containers tell of them, made by hand."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dask_serverless.client.structure import Structure
from dask_serverless.coordination.watched import Loss
from dask_serverless.worker.witness import FINISHED, Batch, Sighting

SUBMITTED = 1000.0


def structure(
    inputs: Sequence[Sequence[int]],
    bundles: Sequence[int],
    *,
    wanted: Sequence[int] = (),
    labels: Sequence[Any] = (),
) -> Structure:
    counts = [len(each) for each in inputs]
    flags = np.zeros(len(inputs), dtype=bool)
    flags[list(wanted)] = True
    return Structure(
        run="run",
        submitted=SUBMITTED,
        input_offsets=np.cumsum([0, *counts]),
        inputs=np.array([task for each in inputs for task in each], dtype=np.int32),
        functions=np.zeros(len(inputs), dtype=np.int32),
        wanted=flags,
        bundles=np.array(bundles, dtype=np.int32),
        slots=np.full(max(bundles) + 1, -1, dtype=np.int32),
        function_names=("inc",),
        labels=labels,
    )


def sighting(
    bundle: int,
    began: float,
    *,
    state: int = FINISHED,
    fetching: float = 0.0,
    running: float = 1.0,
    storing: float = 0.0,
    tasks: Mapping[int, tuple[float, float]] | None = None,
    sizes: Mapping[int, int] | None = None,
    failure: Any = None,
    part: Sequence[int] = (),
) -> Sighting:
    """Times are seconds since the run's submission; those of tasks since the bundle's start."""
    tasks, sizes = tasks or {}, sizes or {}
    return Sighting(
        bundle, state, SUBMITTED + began, fetching, running, storing, 1, sum(sizes.values()),
        array("i", tasks).tobytes(),
        array("f", [begin for begin, _ in tasks.values()]).tobytes(),
        array("f", [end for _, end in tasks.values()]).tobytes(),
        array("i", sizes).tobytes(), array("q", sizes.values()).tobytes(), failure, (), part,
    )  # fmt: skip


def lost(
    container: str, bundle: int, at: float, since: float | None = None
) -> tuple[int, int, list[Loss]]:
    """The first that was lost with this bundle, by SIGKILL."""
    since_ms = 0 if since is None else int(1000 * (SUBMITTED + since))
    return bundle, 1, [Loss(container, "killed", int(1000 * (SUBMITTED + at)), since_ms)]


def batch(
    container: str,
    *sightings: Sighting,
    number: int = 0,
    cold: bool = False,
    arrived: float = 0.5,
    cpu: float = 0.25,
) -> Batch:
    came = SUBMITTED + arrived
    return Batch(container, number, cold, SUBMITTED, came, 1 << 20, cpu, sightings)
