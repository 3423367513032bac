"""Annotations: what a plan asks of containers, as frozen values that travel as JSON.

Optimizations decide on them, the timeline foresees what they bring, and containers heed them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from planners.errors import AnnotationError, PlanError
from planners.numbers.predictions import Line

SUBMISSION = -1  # the trigger that the client pulls itself
OTHERS = 12  # of the plans that were not chosen, with their reasons, are printed


KINDS: dict[str, type[Annotation]] = {}


@dataclass(frozen=True)
class Annotation:
    """Subclasses name their ``kind``, which is what JSON calls them."""

    kind: ClassVar[str]
    saves_seconds: float  # expected, along the path that it is on

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        KINDS[cls.kind] = cls

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, **asdict(self)}

    @staticmethod
    def from_json(value: dict[str, Any]) -> Annotation:
        kind = KINDS.get(value.get("kind", ""))
        if kind is None:
            raise AnnotationError(
                f"unknown annotation {value.get('kind')!r}: known are {sorted(KINDS)}"
            )
        given = {name: _frozen(value[name]) for name in value if name != "kind"}
        missing = {field.name for field in fields(kind)} ^ set(given)
        if missing:
            raise AnnotationError(f"annotation {kind.kind!r}: wrong or missing {sorted(missing)}")
        return kind(**given)


@dataclass(frozen=True)
class KeepChildren(Annotation):
    """The container of ``bundle`` runs ``children`` itself, one after another, where that pays.

    By ``kept`` the container compares again with the sizes that outputs really have.
    """

    kind: ClassVar[str] = "fan_out_cluster"
    bundle: int
    children: tuple[int, ...]  # the first one is kept in any case
    child_seconds: tuple[float, ...]
    start_seconds: float  # of a container for a child that is handed over
    upload: tuple[float, float]  # seconds, and seconds per byte
    download: tuple[float, float]

    def kept(self, sizes: Sequence[float]) -> tuple[int, ...]:
        """Of children with inputs of these bytes, those that would not start sooner elsewhere."""
        kept: list[int] = []
        queued = 0.0
        for child, seconds, size in zip(self.children, self.child_seconds, sizes, strict=True):
            handover = (
                Line(*self.upload).at(size) + self.start_seconds + Line(*self.download).at(size)
            )
            if not kept or queued <= handover:
                kept.append(child)
                queued += seconds
        return tuple(kept)


@dataclass(frozen=True)
class JoinBundles(Annotation):
    """So many bundles fewer than the planner had made: nothing is left to be done about it."""

    kind: ClassVar[str] = "join"
    fewer: int


@dataclass(frozen=True)
class CheckFanIn(Annotation):
    """Once ``bundle`` has run, if only it is missing at ``child``, it goes on without storing."""

    kind: ClassVar[str] = "fan_in_check"
    bundle: int
    child: int


@dataclass(frozen=True)
class HoldOutput(Annotation):
    """``bundle`` stores its output for ``child`` only if the others take longer than this."""

    kind: ClassVar[str] = "delayed_io"
    bundle: int
    child: int
    wait_seconds: float  # what storing and fetching would take; the container may know better


@dataclass(frozen=True)
class PreloadInputs(Annotation):
    """The container of ``bundle`` fetches the outputs of ``tasks`` as soon as each is stored."""

    kind: ClassVar[str] = "preload"
    bundle: int
    tasks: tuple[int, ...]


@dataclass(frozen=True)
class StartContainers(Annotation):
    """Whoever begins ``trigger`` starts ``containers`` idle ones ``delay_seconds`` later."""

    kind: ClassVar[str] = "prewarm"
    trigger: int  # bundle, or SUBMISSION
    memory_mb: int
    containers: int
    delay_seconds: float


@dataclass(frozen=True)
class StreamOutputs(Annotation):
    """``bundle`` stores the outputs of ``tasks`` one by one as they come, the others at its end."""

    kind: ClassVar[str] = "streaming"
    bundle: int
    tasks: tuple[int, ...]


@dataclass(frozen=True)
class StreamInputs(Annotation):
    """The container of ``bundle`` fetches the outputs of ``tasks`` while they are being stored."""

    kind: ClassVar[str] = "stream_inputs"
    bundle: int
    tasks: tuple[int, ...]


@dataclass(frozen=True)
class DuplicateTask(Annotation):
    """``bundle`` runs a copy of ``task``, whose inputs it takes in place of its output."""

    kind: ClassVar[str] = "task_dup"
    bundle: int
    task: int


@dataclass(frozen=True)
class Chosen(Annotation):
    """Containers ignore it; people read it. ``others`` are (name, why it lost)."""

    kind: ClassVar[str] = "chosen"
    name: str
    why: str
    others: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        lines = [f"chosen: {self.name}, {self.why}"]
        lines.extend(f"  not {name}: {reason}" for name, reason in self.others[:OTHERS])
        if len(self.others) > OTHERS:
            lines.append(f"  … nor {len(self.others) - OTHERS} more")
        return "\n".join(lines)


@dataclass(frozen=True)
class LeftOut(Annotation):
    """Containers ignore it; whoever made the plan hears of what it stands for."""

    kind: ClassVar[str] = "left_out"
    what: str  # the kind of annotation
    why: str

    @staticmethod
    def of(note: object, why: str) -> LeftOut:
        return LeftOut(0.0, getattr(note, "kind", type(note).__name__), why)

    def __str__(self) -> str:
        return f"{self.what} (left out: {self.why})"


def annotation_to_json(annotation: object) -> dict[str, Any]:
    to_json = getattr(annotation, "to_json", None)
    if to_json is None:
        raise PlanError(f"{annotation!r} has no to_json: make it an annotations.Annotation")
    value: dict[str, Any] = to_json()
    return value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(part) for part in value) if isinstance(value, list | tuple) else value
