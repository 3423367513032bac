"""A run's structure for whoever watches it: arrays and names, compressed, no pickle in it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np

from dask_serverless.blobs.base import LIVE_SECONDS
from dask_serverless.errors import RunUnreadable
from planners.graph.arrays import Flags, Ids, Offsets, offsets_from_counts
from planners.graph.dag import Dag
from planners.numbers.workload import function_names

if TYPE_CHECKING:
    from dask_serverless.client.report import RunReport
    from planners.cost.outlook import Outlook

MOST_FORESEEN = 1000  # bundles: to work out more takes longer than a picture of them is worth
VERSION = 4  # of the form in which it is stored
LEVEL = 1  # of zlib: the client has other things to do
SAMPLE_BYTES = 1 << 14
MANY_BYTES = 1 << 20  # fewer are sent in less time than half of them is saved


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
    timeline: Mapping[str, Any] = field(default_factory=dict)  # of ``planned_times``, if known
    predicted: Mapping[str, Any] = field(default_factory=dict)  # of ``predicted_times``
    prices: Mapping[str, float] = field(default_factory=dict)  # the price table
    live_seconds: int = LIVE_SECONDS  # by which its keys outlive the last look of its client

    @property
    def tasks(self) -> int:
        return len(self.functions)

    @property
    def bundle_count(self) -> int:
        return len(self.slots)

    def pack(self) -> bytes:
        told = {name: _told(value) for name, value in vars(self).items()}
        told["input_offsets"] = _told(np.diff(self.input_offsets))  # small numbers
        packed = msgpack.packb([VERSION, told], default=str, unicode_errors="surrogatepass")
        return compressed(packed)

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
        told = {f.name: _untold(rest[0][f.name]) for f in fields(Structure) if f.name in rest[0]}
        told["input_offsets"] = offsets_from_counts(told["input_offsets"])
        return Structure(**told)


def structure_of(
    report: RunReport, submitted: float, dag: Dag, containers: int, host: str = ""
) -> Structure:
    plan = report.plan
    assert plan is not None, "the report of a run that has been planned"
    return Structure(
        run=report.run,
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
    )


def planned_times(outlook: Outlook) -> dict[str, Any]:
    """When each bundle was expected to begin and to end, and where; empty if nothing is known."""
    if not outlook.known or len(outlook.plan.slots) > MOST_FORESEEN:
        return {}
    timeline = outlook.timeline
    return {
        "begun": timeline.begun, "finished": timeline.finished, "container": timeline.container,
        "path": timeline.critical_path, "makespan": outlook.prediction.makespan_seconds,
        "runs": outlook.prediction.runs,
    }  # fmt: skip


def predicted_times(outlook: Outlook) -> dict[str, Any]:
    """What the plan counted on for each function, on how many samples, and whether anything is known
    of it or that is a guess; empty for no history.
    """
    if not outlook.known or len(outlook.plan.slots) > MOST_FORESEEN:
        return {}
    dag, names = outlook.dag, function_names(outlook.dag)
    memory_mb, predictions = outlook.model.platform.default_memory_mb, outlook.model.predictions
    seconds = outlook.workload.seconds(memory_mb)
    calls = np.bincount(dag.functions, minlength=len(names))
    means = np.bincount(dag.functions, seconds, len(names)) / np.maximum(calls, 1)
    lines = predictions.seconds_lines(names, memory_mb, outlook.workload.sla)
    known = [predictions.knows((name,)) for name in names]
    return {
        "functions": dag.functions, "names": list(names), "seconds": means,
        "samples": lines.samples, "known": known,
    }  # fmt: skip


def _told(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = narrowed(value)
        return {"dtype": value.dtype.str, "data": value.tobytes()}
    if isinstance(value, Mapping):
        return {str(name): _told(each) for name, each in value.items()}
    return value


def compressed(packed: bytes) -> bytes:
    """Keys are repetitive, as a rule. Of those with a random name each, to look for repetitions only
    takes time; that they are made of few characters saves half of the bytes all the same, which is
    worth it where they are many.
    """
    middle = len(packed) // 2
    sample = packed[middle : middle + SAMPLE_BYTES]
    pays = 2 * len(zlib.compress(sample, LEVEL)) < len(sample)
    if not pays and len(packed) < MANY_BYTES:
        return zlib.compress(packed, zlib.Z_NO_COMPRESSION)
    strategy = zlib.Z_DEFAULT_STRATEGY if pays else zlib.Z_HUFFMAN_ONLY
    packer = zlib.compressobj(LEVEL, strategy=strategy)
    return packer.compress(packed) + packer.flush()


def narrowed(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same numbers in fewer bytes, which take less time to compress, too."""
    if values.dtype.kind != "i" or not len(values):
        return values
    return values.astype(np.promote_types(*map(np.min_scalar_type, (values.min(), values.max()))))


def _untold(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"dtype", "data"}:
            array = np.frombuffer(value["data"], np.dtype(value["dtype"]))
            return array.astype(np.int32) if array.dtype.kind in "iu" else array
        return {name: _untold(each) for name, each in value.items()}
    return value
