"""Workload: a Dag with its predictions, as one array per question."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from planners.errors import BadPrediction
from planners.graph.arrays import Floats
from planners.graph.dag import Dag
from planners.numbers.predictions import (
    Line,
    Lines,
    Predictions,
    Sla,
    check_sla,
)
from planners.numbers.spread import Spread, spread_of

TASKS_A_ROUND = 64  # one by one take as long as one round over all of them, at least
SETTLING = 0.75  # of the sizes that changed: where more change again, tasks form long chains


@dataclass(frozen=True, eq=False)
class Workload:
    """What each task takes and leaves. Build it with ``predict``."""

    dag: Dag
    predictions: Predictions
    sla: Sla
    input_bytes: Floats
    output_bytes: Floats
    peak_mb: Floats
    upload: Line
    download: Line
    packing: Floats  # seconds of pickling each output, where it leaves its container,
    unpacking: Floats  # and of unpickling it, for each bundle that takes it from elsewhere
    samples: int = 0  # measured calls of the functions in the graph
    spread: Spread | None = None  # of what containers take for many tasks; None: of single ones
    speed_mb: int = 0  # the size in which tasks take what they do in all; 0: each has its own
    _seconds: dict[int, Floats] = field(default_factory=dict, repr=False)

    @staticmethod
    def predict(
        dag: Dag,
        predictions: Predictions,
        sla: Sla = "average",
        containers: int = 0,
        speed_mb: int = 0,
    ) -> Workload:
        """With ``containers``, as many run the tasks: what each takes then is meant for sums."""
        check_sla(sla)
        names = function_names(dag)
        outputs = predictions.output_lines(names, sla).check("output size", names)
        peaks = predictions.peak_lines(names, sla).check("peak memory", names)
        packing = predictions.packing_lines(names, sla).check("pickling time", names)
        unpacking = predictions.unpacking_lines(names, sla).check("unpickling time", names)
        inputs, output_bytes = _propagate(dag, outputs)
        return Workload(
            dag=dag,
            predictions=predictions,
            sla=sla,
            input_bytes=inputs,
            output_bytes=output_bytes,
            peak_mb=peaks.at(dag.functions, inputs) / 1e6,
            upload=_checked("upload time", predictions.upload(sla)),
            download=_checked("download time", predictions.download(sla)),
            packing=packing.at(dag.functions, output_bytes),
            unpacking=unpacking.at(dag.functions, output_bytes),
            samples=int(outputs.samples.sum()),
            spread=spread_of(dag, function_names(dag), predictions, sla, containers),
            speed_mb=speed_mb,
        )

    def seconds(self, memory_mb: int) -> Floats:
        """Execution time of each task in a container of this size."""
        memory_mb = self.speed_mb or memory_mb
        if memory_mb not in self._seconds:
            functions, inputs = self.dag.functions, self.input_bytes
            seconds = self._seconds_lines(memory_mb, self.sla).at(functions, inputs)
            if self.spread is not None:
                lines = self._seconds_lines(memory_mb, "average")
                usual = lines.at(functions, inputs)
                seconds = self.spread.between(functions, seconds, usual, lines.samples, memory_mb)
            self._seconds[memory_mb] = seconds
        return self._seconds[memory_mb]

    def _seconds_lines(self, memory_mb: int, sla: Sla) -> Lines:
        names = function_names(self.dag)
        lines = self.predictions.seconds_lines(names, memory_mb, sla)
        return lines.check("execution time", names)

    def cold_start(self, memory_mb: int) -> float:
        return _checked("cold start", self.predictions.cold_start(memory_mb, self.sla)).at()

    def warm_start(self, memory_mb: int) -> float:
        return _checked("warm start", self.predictions.warm_start(memory_mb, self.sla)).at()


def function_names(dag: Dag) -> tuple[str, ...]:
    """The Dag's names, or numbers where it has none."""
    functions = int(dag.functions.max(initial=-1)) + 1
    if len(dag.function_names) >= functions:
        return tuple(dag.function_names)
    return tuple(f"function {function}" for function in range(functions))


def names_of_tasks(dag: Dag) -> tuple[str, ...]:
    """Of those, the ones that any task has: steps of fused tasks are in the table by themselves."""
    names, used = function_names(dag), np.bincount(dag.functions)
    return tuple([names[function] for function in np.flatnonzero(used)])


def _propagate(dag: Dag, outputs: Lines) -> tuple[Floats, Floats]:
    """Input and output sizes; only where an output depends on its inputs does order matter."""
    bases, slopes = outputs.base[dag.functions], outputs.per_byte[dag.functions]
    if not slopes.any():
        return _taken(dag, bases), bases
    reach = outputs.reach[dag.functions]
    found, unsettled = bases, dag.tasks
    with np.errstate(over="ignore", invalid="ignore"):  # of sizes that grow without an end
        for _ in range(dag.tasks // TASKS_A_ROUND):
            taken, before = _taken(dag, found), found
            found = bases + slopes * np.minimum(taken, reach)
            left = int(np.count_nonzero(found != before))
            if not left:
                return taken, found
            if left > SETTLING * unsettled:
                break
            unsettled = left
    return _one_by_one(dag, bases, slopes, reach)


def _taken(dag: Dag, output_bytes: Floats) -> Floats:
    taken = np.bincount(dag.edge_users, output_bytes[dag.inputs], minlength=dag.tasks)
    return np.asarray(dag.constant_bytes + taken, dtype=np.float64)


def _one_by_one(dag: Dag, bases: Floats, slopes: Floats, reach: Floats) -> tuple[Floats, Floats]:
    input_bytes: list[float] = dag.constant_bytes.tolist()
    output_bytes: list[float] = bases.tolist()
    offsets, inputs = dag.input_offsets.tolist(), dag.inputs.tolist()
    per_byte, most = slopes.tolist(), reach.tolist()
    for task in range(dag.tasks):
        for producer in inputs[offsets[task] : offsets[task + 1]]:
            input_bytes[task] += output_bytes[producer]
        output_bytes[task] += per_byte[task] * min(input_bytes[task], most[task])
    return np.array(input_bytes, dtype=np.float64), np.array(output_bytes, dtype=np.float64)


def _checked(of: str, line: Line) -> Line:
    for value in (line.base, line.per_byte):
        if not (np.isfinite(value) and value >= 0):
            raise BadPrediction(of, "the platform", value)
    return line
