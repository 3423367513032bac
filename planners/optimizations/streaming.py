"""streaming: outputs leave while the bundle's tasks still run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from planners.optimizations.annotation import Annotation
from planners.predictions import Line


@dataclass(frozen=True)
class Streaming(Annotation):
    """Outputs of ``bundle`` are stored in chunks from its first task on."""

    kind: ClassVar[str] = "streaming"
    bundle: int
    chunk_bytes: float

    def seconds_after(self, size: float, exec_seconds: float, upload: Line) -> float:
        """What of the upload is left once the last task ended: its last chunk, or what queued up."""
        if not size:
            return 0.0
        last_chunk = upload.at(min(self.chunk_bytes, size))
        return max(last_chunk, upload.at(size) - exec_seconds)
