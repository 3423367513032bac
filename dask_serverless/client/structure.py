"""A run's structure for whoever watches it: arrays and names, compressed, no pickle in it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import msgpack
import numpy as np

from dask_serverless.errors import RunUnreadable
from planners.graph.arrays import Flags, Ids, Offsets
from planners.graph.dag import Dag
from planners.plans.plan import Plan

VERSION = 1  # of the form in which it is stored
LEVEL = 1  # of zlib: labels are repetitive, and the client has other things to do


@dataclass(frozen=True, eq=False)
class Structure:
    """What does not change while the run goes on."""

    run: str
    submitted: float  # seconds of the epoch
    input_offsets: Offsets
    inputs: Ids
    functions: Ids
    wanted: Flags
    bundles: Ids  # task → bundle
    slots: Ids  # bundle → slot, or -1
    function_names: Sequence[str] = ()
    labels: Sequence[Any] = ()  # task → key: text, numbers, and lists of them
    planner: str = ""
    containers: int = 0  # how many may work on it at once
    host: str = ""
    prediction: Mapping[str, Any] | None = None
    timeline: Mapping[str, Any] = field(default_factory=dict)  # of ``planned_times``, if known

    @property
    def tasks(self) -> int:
        return len(self.functions)

    @property
    def bundle_count(self) -> int:
        return len(self.slots)

    def pack(self) -> bytes:
        told = {name: _told(value) for name, value in vars(self).items()}
        packed = msgpack.packb([VERSION, told], default=str, unicode_errors="surrogatepass")
        return zlib.compress(packed, LEVEL)

    @staticmethod
    def unpack(data: bytes) -> Structure:
        try:
            version, *rest = msgpack.unpackb(
                zlib.decompress(data), unicode_errors="surrogatepass", strict_map_key=False
            )
        except (zlib.error, ValueError, TypeError) as error:
            raise RunUnreadable(f"what is stored of it is damaged: {error}") from error
        if version != VERSION:
            raise RunUnreadable(f"it was stored in version {version}, and this reads {VERSION}")
        told = rest[0]
        return Structure(**{f.name: _untold(told[f.name]) for f in fields(Structure)})


def structure_of(
    run: str, submitted: float, dag: Dag, plan: Plan, containers: int, host: str
) -> Structure:
    return Structure(
        run=run,
        submitted=submitted,
        input_offsets=dag.input_offsets,
        inputs=dag.inputs,
        functions=dag.functions,
        wanted=dag.wanted,
        bundles=np.asarray(plan.bundles, dtype=np.int32),
        slots=np.asarray(plan.slots, dtype=np.int32),
        function_names=dag.function_names,
        labels=dag.labels,
        planner=plan.planner,
        containers=containers,
        host=host,
        prediction=vars(plan.prediction) if plan.prediction else None,
    )


def _told(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.str, "data": value.tobytes()}
    if isinstance(value, Mapping):
        return {str(name): _told(each) for name, each in value.items()}
    return value


def _untold(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"dtype", "data"}:
            return np.frombuffer(value["data"], np.dtype(value["dtype"]))
        return {name: _untold(each) for name, each in value.items()}
    return value
