"""delayed_io: a big output for a fan-in is held back for a while, in case the fan-in becomes ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from planners.optimizations.annotation import Annotation


@dataclass(frozen=True)
class DelayedIo(Annotation):
    """``bundle`` stores its output for ``child`` only if the others keep it waiting too long."""

    kind: ClassVar[str] = "delayed_io"
    bundle: int
    child: int
    wait_seconds: float
