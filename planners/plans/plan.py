"""Plan: which task goes into which bundle, which bundle to which slot, with what memory."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from planners.errors import PlanError
from planners.graph.arrays import Ids
from planners.graph.dag import Dag
from planners.plans.annotations import Annotation, Chosen, annotation_to_json
from planners.plans.compact import from_compact, to_compact
from planners.plans.comparison import PlanDiff, compare, difference
from planners.plans.tables import in_bytes, table
from planners.plans.validation import FLEXIBLE, check

__all__ = ["FLEXIBLE", "Plan", "PlanError", "Planner", "Prediction", "Resources", "compare"]

VERSION = 1  # of the JSON; a reader refuses any other
ROWS = 20  # of the bundles that a plan prints


@dataclass(frozen=True)
class Resources:
    """What a planner may count on."""

    containers: int  # how many run at once at most
    memory_mb: int = 0  # of one container; 0: the backend's default

    def __post_init__(self) -> None:
        for name, value in (("containers", self.containers), ("memory_mb", self.memory_mb)):
            if not value >= 0:
                raise PlanError(f"Resources.{name} is {value}: it must not be negative")


@dataclass(frozen=True)
class Prediction:
    """What a plan is expected to take and to cost."""

    makespan_seconds: float
    cost: float  # money, by the price table of whoever predicted
    gb_seconds: float
    cold_starts: int
    bytes_moved: int  # through the store, up and down
    modelled_seconds: float = 0.0  # makespan by the cost model alone, before outcomes put it right
    modelled_gb_seconds: float = 0.0
    samples: int = 0  # measured calls that it rests on; 0: constants
    runs: int = 0  # measured runs of such a plan for such a graph

    def __str__(self) -> str:
        starts, moved = f"{self.cold_starts} cold starts", in_bytes(self.bytes_moved)
        times = f"{self.makespan_seconds:.3f} s, {self.gb_seconds:.3f} GB s, cost {self.cost:.6f}"
        return f"{times}, {starts}, {moved} moved{self.basis}"

    @property
    def basis(self) -> str:
        """What it rests on, for people; nothing to say of made-up numbers."""
        runs = f" and {self.runs} runs of such a plan" if self.runs else ""
        return f"; from {self.samples} measured calls{runs}" if self.samples else ""


@dataclass(frozen=True, eq=False)
class Plan:
    """The answer of a planner, checked by ``validate`` before anything runs."""

    planner: str
    bundles: Ids  # task → bundle; bundle ids are topological: edges go upwards
    slots: Ids  # bundle → slot, or FLEXIBLE
    memory_mb: Ids  # bundle → memory of its container; 0: the backend's default
    annotations: tuple[object, ...] = field(default=())  # what optimizations ask containers to do
    prediction: Prediction | None = None

    def validate(self, dag: Dag) -> None:
        """Raise a PlanError, naming a task, unless this plan can run this graph."""
        check(dag, self.bundles, self.slots, self.memory_mb)
        if self.annotations:  # the first plan of a fresh process has none, and need not wait
            from planners.plans.legality import check_annotations

            check_annotations(dag, self.bundles, self.slots, self.memory_mb, self.annotations)

    def with_annotations(self, dag: Dag, annotations: tuple[object, ...]) -> Plan:
        """With these instead, but for those that others of them make impossible."""
        from planners.plans.legality import without_refused

        kept = without_refused(dag, self.bundles, self.slots, self.memory_mb, annotations)
        return replace(self, annotations=kept)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Plan):
            return NotImplemented
        return (
            self.planner == other.planner
            and np.array_equal(self.bundles, other.bundles)
            and np.array_equal(self.slots, other.slots)
            and np.array_equal(self.memory_mb, other.memory_mb)
            and self.annotations == other.annotations
            and self.prediction == other.prediction
        )

    __hash__ = None  # type: ignore[assignment]  # arrays compare by value

    @property
    def chosen(self) -> Chosen | None:
        """Of whoever compared several, what was said for this one."""
        return next((note for note in self.annotations if isinstance(note, Chosen)), None)

    @property
    def way(self) -> str:
        """How it was made, as outcomes know it."""
        return self.chosen.name if self.chosen else self.planner

    @property
    def why(self) -> str:
        """Why it is this plan; where planners were compared, also why others lost."""
        return str(self.chosen or f"{self.planner} made it, no other was compared")

    def diff(self, other: Plan) -> PlanDiff:
        """What would have to change in this plan to get the other one."""
        return difference(self, other)

    def __str__(self) -> str:
        counts = f"{self.planner}: {len(self.bundles)} tasks in {len(self.slots)} bundles"
        lines = [counts if self.prediction is None else f"{counts}, {self.prediction}"]
        shown = min(len(self.slots), ROWS)
        sizes = np.bincount(self.bundles, minlength=len(self.slots)).tolist()
        rows = [(bundle, sizes[bundle], *self._place(bundle)) for bundle in range(shown)]
        lines.append(table(("bundle", "tasks", "slot", "memory"), rows))
        if shown < len(self.slots):
            lines.append(f"… {len(self.slots) - shown} more bundles")
        lines.extend(str(annotation) for annotation in self.annotations[:ROWS])
        if len(self.annotations) > ROWS:
            lines.append(f"… {len(self.annotations) - ROWS} more annotations")
        return "\n".join(lines)

    def _place(self, bundle: int) -> tuple[str, str]:
        slot, memory = int(self.slots[bundle]), int(self.memory_mb[bundle])
        return "any" if slot == FLEXIBLE else str(slot), f"{memory} MB" if memory else "default"

    def to_json(self) -> str:
        return json.dumps(
            {
                "version": VERSION,
                "planner": self.planner,
                "bundles": to_compact(self.bundles),
                "slots": to_compact(self.slots),
                "memory_mb": to_compact(self.memory_mb),
                "annotations": [annotation_to_json(each) for each in self.annotations],
                "prediction": asdict(self.prediction) if self.prediction else None,
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        value = _parsed(text)
        try:
            prediction = value["prediction"]
            return cls(
                planner=value["planner"],
                bundles=from_compact(value["bundles"]),
                slots=from_compact(value["slots"]),
                memory_mb=from_compact(value["memory_mb"]),
                annotations=tuple(Annotation.from_json(each) for each in value["annotations"]),
                prediction=Prediction(**prediction) if prediction else None,
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise PlanError(f"the JSON of this plan is damaged: {error!r}") from error


def _parsed(text: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise PlanError(f"this is not the JSON of a plan: {error}") from error
    if not isinstance(value, dict) or value.get("version") != VERSION:
        version = value.get("version") if isinstance(value, dict) else None
        raise PlanError(f"a plan of version {version}; this reads version {VERSION}: plan anew")
    return value


class Planner(Protocol):
    """What a user's own planner implements, and registers in ``dask_serverless.planners``."""

    @property
    def name(self) -> str: ...

    def plan(self, dag: Dag, resources: Resources) -> Plan: ...
