"""chosen: no optimization, but a note of the same form: why this plan and none of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from planners.optimizations.annotation import Annotation


@dataclass(frozen=True)
class Chosen(Annotation):
    """Containers ignore it; people read it. ``others`` are (name, why it lost)."""

    kind: ClassVar[str] = "chosen"
    name: str
    why: str
    others: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        lines = [f"chosen: {self.name}, {self.why}"]
        lines.extend(f"  not {name}: {reason}" for name, reason in self.others)
        return "\n".join(lines)
