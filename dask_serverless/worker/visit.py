"""What a container knows of the runs it works on, and of the bundle under way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dask_serverless.blobs.base import Command
from dask_serverless.blobs.blobs import Blobs
from dask_serverless.coordination.base import Coordination
from dask_serverless.worker.bundle import BundleSpec
from dask_serverless.worker.header import Header
from dask_serverless.worker.measure import Meter
from dask_serverless.worker.table import Functions
from dask_serverless.worker.timing import Timer


@dataclass(frozen=True)
class Settled:
    """What a container has of a run once it has run a bundle of it."""

    blobs: Blobs
    functions: Functions


@dataclass
class Visit:
    """A run as this container knows it."""

    coordination: Coordination
    told_calls: int = 0  # to the store, already reported
    meter: Meter = field(default_factory=Meter)
    header: Header | None = None
    settled: Settled | None = None


@dataclass
class Work:
    """The bundle under way."""

    bundle: int
    claim: str
    spec: BundleSpec | None = None
    values: dict[int, Any] = field(default_factory=dict)
    constants: dict[int, Any] = field(default_factory=dict)  # alive to the end, as at the client
    started: float = 0.0
    fetching: float = 0.0  # seconds
    running: float = 0.0
    timer: Timer = field(default_factory=Timer)
    told_at: float = 0.0  # when progress was told
    written: list[bytes] = field(default_factory=list)
    before: list[Command] = field(default_factory=list)  # of a failure that is kept apart
