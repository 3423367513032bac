"""task_dup: a cheap task with a big output is run again where it is needed, not fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from planners.optimizations.annotation import Annotation


@dataclass(frozen=True)
class TaskDuplicate(Annotation):
    """``bundle`` runs a copy of ``task``, whose inputs it takes in place of its output."""

    kind: ClassVar[str] = "task_dup"
    bundle: int
    task: int
