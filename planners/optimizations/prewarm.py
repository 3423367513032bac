"""prewarm: containers are started shortly before a bundle would meet a cold start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from planners.optimizations.annotation import Annotation

SUBMISSION = -1  # the trigger of what the client starts by itself


@dataclass(frozen=True)
class Prewarm(Annotation):
    """Whoever begins ``trigger`` starts ``containers`` empty ones ``delay_seconds`` later."""

    kind: ClassVar[str] = "prewarm"
    trigger: int  # bundle, or SUBMISSION
    memory_mb: int
    containers: int
    delay_seconds: float
