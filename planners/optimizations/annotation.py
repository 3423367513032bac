"""Annotation: what an optimization asks of containers, as a frozen value that travels as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from planners.errors import PlanError


class AnnotationError(PlanError):
    """An annotation that does not fit its plan, or JSON that is no annotation."""


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


def _frozen(value: Any) -> Any:
    return tuple(_frozen(part) for part in value) if isinstance(value, list | tuple) else value
