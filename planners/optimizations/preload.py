"""preload: inputs that are stored well before the last one are fetched while the container waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from planners.optimizations.annotation import Annotation


@dataclass(frozen=True)
class Preload(Annotation):
    """The container of ``bundle`` fetches the outputs of ``tasks`` as soon as each is stored."""

    kind: ClassVar[str] = "preload"
    bundle: int
    tasks: tuple[int, ...]
