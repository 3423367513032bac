"""Metrics of the latest run, and of the dashboard itself, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from dask_serverless.dashboard.listing import OVER
from dask_serverless.dashboard.numbers import numbers
from dask_serverless.dashboard.pages.containers import Spent, under_way
from dask_serverless.dashboard.reader import Reader
from dask_serverless.dashboard.states import NAMES
from dask_serverless.dashboard.view import View

CONTENT_TYPE = CONTENT_TYPE_LATEST
PREFIX = "dask_serverless_"


def exposition(reader: Reader) -> bytes:
    registry = CollectorRegistry()
    registry.register(Collector(reader))
    return bytes(generate_latest(registry))


class Collector:
    """Labels are few and fixed: no name of a task or a run is one."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def collect(self) -> Iterator[Any]:
        reader = self.reader
        yield gauge("store_up", "Whether the store answers", float(not reader.trouble))
        yield gauge("runs", "Runs in the list", len(reader.listing.runs))
        if reader.known.is_set():  # while the list is read, earlier runs would count as new ones
            yield ends(reader)
        view = reader.open(reader.latest).view if reader.latest else None
        if view is not None:
            with view.lock:
                yield from of_run(view)


def ends(reader: Reader) -> Any:
    """Also of runs that come and go between two scrapes."""
    made = CounterMetricFamily(PREFIX + "ended_runs", "Runs that ended, by how", labels=["how"])
    for how in OVER:
        made.add_metric([how], reader.listing.ended[how])
    return made


def of_run(view: View) -> Iterator[Any]:
    told, series = numbers(view.series), view.series
    tasks = GaugeMetricFamily(PREFIX + "tasks", "Tasks of the latest run", labels=["state"])
    for name, count in zip(NAMES, view.moment().counts.sum(axis=0).tolist(), strict=True):
        tasks.add_metric([name], count)
    yield tasks
    yield gauge("bundles", "Bundles of the latest run", told.bundles)
    yield gauge("bundles_done", "Those that are finished", told.done_bundles)
    yield gauge("containers", "Containers that worked on it", told.containers)
    yield gauge("cold_starts", "Those that were started for it", told.cold_starts)
    yield gauge("moved_bytes", "Bytes of its outputs that were stored", told.bytes_moved)
    yield gauge("makespan_seconds", "From its submission to the latest output", told.makespan)
    yield gauge("cost", "What its containers cost so far, by the price table", told.cost)
    yield gauge("untold_bundles", "Bundles of which no container told", told.untold)
    yield gauge("over", "Whether it is over", float(told.over))
    yield gauge("lost", "Whether its client is gone, so that it will not end", told.abandoned)
    yield gauge("failures", "Tasks that raised", len(series.failures))
    yield gauge("lost_bundles", "Bundles whose container was lost", len(series.tries))
    yield gauge("lost_containers", "Containers that were lost with one", sum(series.tries.values()))
    spent = GaugeMetricFamily(
        PREFIX + "container_seconds", "What its containers spent", labels=["on"]
    )
    going = under_way(series)
    each = [Spent.of(series, c, going.get(c.index, 0.0)) for c in series.containers.values()]
    for on in ("fetching", "running", "storing"):
        spent.add_metric([on], sum(getattr(one, on) for one in each))
    yield spent


def gauge(name: str, what: str, value: float) -> Any:
    return GaugeMetricFamily(PREFIX + name, what, value=value)
