"""The project's own scheduler, and what it says about its last run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any

# What the comparison reads → the names under which a run may report it, the first found counts.
NAMES = {
    "bundles": ("bundles", "bundle_count", "bundles_done"),
    "store_calls": ("store_calls", "store_commands"),
    "materialise": ("materialise", "materialise_seconds"),
    "translate": ("translate", "translate_seconds"),
    "plan": ("plan", "plan_seconds"),
    "encode": ("encode", "encode_seconds"),
    "submit": ("submit", "submit_seconds"),
    "wait": ("wait", "wait_seconds"),
    "collect": ("collect", "collect_seconds"),
}
PHASES = ("phases", "seconds", "times", "timings")  # mappings that may hold the times


@contextmanager
def start(containers: int) -> Iterator[Any]:
    from dask_serverless import Serverless

    scheduler = Serverless(containers=containers)
    try:
        yield scheduler
    finally:
        scheduler.close()


def read(source: Any, name: str) -> Any:
    """A key of a mapping or an attribute of an object; None where there is neither."""
    if isinstance(source, Mapping):
        return source.get(name)
    return getattr(source, name, None)


def last_run_numbers(scheduler: Any) -> dict[str, float]:
    """The numbers of the last run that are there; other peers report none."""
    run = getattr(scheduler, "last_run", None)
    sources = [run, *(read(run, phase) for phase in PHASES)]
    numbers: dict[str, float] = {}
    for title, names in NAMES.items():
        found = (read(source, name) for source in sources for name in names)
        value = next((value for value in found if isinstance(value, Real)), None)
        if value is not None:
            numbers[title] = float(value)
    return numbers
