"""Calling: what one call's run uses of its Serverless object, under the settings of this moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import dask

from dask_serverless.blobs.base import LIVE_SECONDS, PRIVATE_LIVE_SECONDS
from dask_serverless.blobs.blobs import MOST_INLINE_BYTES
from dask_serverless.blobs.storage import Storage
from dask_serverless.client import forks
from dask_serverless.client.engine import Engine
from dask_serverless.client.hearing import shown_by
from dask_serverless.client.ignored import annotated, check_annotations, check_options
from dask_serverless.client.optimizations import NONE, with_whole_blobs
from dask_serverless.client.planning import Planning
from dask_serverless.client.retries import Retries
from dask_serverless.client.surroundings import Surroundings
from dask_serverless.client.watch import Watch
from dask_serverless.config import Settings
from dask_serverless.history.opening import open_history
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link
from planners.aimed import aimed

if TYPE_CHECKING:
    from dask.highlevelgraph import Layer

    from dask_serverless.serverless import Serverless


class Asked(NamedTuple):
    """What a call asks for beside its keys; checked."""

    options: Mapping[str, Any]  # its keywords
    annotations: Mapping[str, Any]  # that stand around it
    layers: Sequence[Layer]  # that bear annotations

    @staticmethod
    def by(graph: Any, options: Mapping[str, Any]) -> Asked:
        check_options(options)
        asked = Asked(options, dask.get_annotations(), list(annotated(graph)))
        check_annotations(asked.annotations, asked.layers)
        return asked


def surroundings(
    of: Serverless, engine: Engine, url: str, link: Link, asked: Asked
) -> Surroundings:
    settings = of.settings
    retries = settings.retries_of(asked.options, asked.annotations)
    return Surroundings(
        backend=engine.backend,
        link=link,
        side=lambda: open_link(url),
        store=url,
        storage=storage(settings, engine),
        endings=engine.endings,
        planning=planning(of, settings, engine, asked.options),
        lease_seconds=settings.lease_seconds,
        attempts=settings.attempts,
        result_limit=settings.result_limit,
        retries=Retries.asked_for(asked.layers, retries),
        access=engine.access,
        show=shown_by(settings.logs),
        watch=watch(settings, engine, url, link),
    )


def storage(settings: Settings, engine: Engine) -> Storage:
    """Where a run's blobs live, and in what form."""
    return Storage(
        url=settings.blobs,
        folders=tuple(engine.folders.paths) if engine.backend.same_host else (),
        inline_bytes=settings.inline_bytes,
        compression=settings.compression,
        live_seconds=LIVE_SECONDS if engine.embedded is None else PRIVATE_LIVE_SECONDS,
    )


def planning(
    of: Serverless, settings: Settings, engine: Engine, options: Mapping[str, Any]
) -> Planning:
    most, wishes = engine.backend.containers, settings.wishes(options)
    containers = min(options.get("num_workers") or most, settings.containers or most, most)
    optimizations, impossible = settings.optimizations, NONE
    if engine.backend.same_host or settings.blobs:  # in files that others map, or as objects
        optimizations, impossible = with_whole_blobs(optimizations)
    return Planning(
        planner=aimed(of.planner, *wishes),
        wishes=wishes,
        containers=max(1, containers),
        history=open_history(settings) if settings.history else None,
        optimizations=optimizations,
        impossible=impossible,
        warmth=engine.warmth,
        sizes_mb=engine.sizes_mb,
        memory_mb=engine.memory_mb,
        cores=engine.cores,
        price_table=settings.prices,
        inline_bytes=min(settings.inline_bytes, MOST_INLINE_BYTES),
    )


def watch(settings: Settings, engine: Engine, url: str, link: Link) -> Watch:
    """Who looks at the run: nobody, as a rule."""
    watch = engine.audience.watch(url, link, settings.events, settings.history)
    if not settings.progress:
        return watch
    with forks.importing:
        from dask_serverless.progress.display import displayed

    return displayed(watch, settings.progress, lambda: open_link(url))
