"""The platform as containers have found it, in the place of constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dask_serverless.history.entry import BUNDLE, PUBLISH, Entry, key_of
from planners.cost.platform import Platform
from planners.numbers.measured import MIDDLE, fit
from planners.numbers.predictions import Line
from planners.numbers.sketch import Sketch


def measured_platform(platform: Platform, entries: Mapping[str, Entry], warm: int) -> Platform:
    """With what was measured of publishing and of bundles, and the containers that idle now."""
    publish = middle(entries.get(key_of(PUBLISH, "round trip")))
    bundle, task = overheads(entries.get(key_of(BUNDLE, "overhead")))
    return replace(
        platform.idling(warm),
        publish_seconds=platform.publish_seconds if publish is None else publish,
        bundle_seconds=bundle,
        task_seconds=task,
    )


def middle(entry: Entry | None) -> float | None:
    if entry is None or not len(entry.sketch):
        return None
    return fit_seconds(entry.sketch).base


def overheads(entry: Entry | None) -> tuple[float, float]:
    """Seconds of each bundle, and of each task in it."""
    if entry is None or not len(entry.sketch):
        return 0.0, 0.0
    line = fit_seconds(entry.sketch)
    return line.base, line.per_byte


def fit_seconds(sketch: Sketch) -> Line:
    """By the middle and not by the average: one wait behind a neighbour would count for twenty."""
    return fit(sketch.column("input_bytes"), sketch.column("seconds"), MIDDLE, sketch.weights)
