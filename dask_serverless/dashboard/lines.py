"""Lines: what the tasks of a run have printed, as far as pages keep it; no store, no Bokeh."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dask_serverless.worker.said import Said, container_of

MOST_LINES = 2000  # of a run; the oldest go first


class Line(NamedTuple):
    container: str
    task: int  # or NO_TASK
    stream: str
    text: str
    at: float = 0.0  # seconds of the epoch; 0: not known


@dataclass
class Lines:
    kept: deque[Line] = field(default_factory=lambda: deque(maxlen=MOST_LINES))
    count: int = 0  # those that came
    dropped: int = 0  # those of which only their numbers tell
    heard: dict[str, int] = field(default_factory=dict)  # voice → the number of its next line

    def add(self, said: Said) -> None:
        """As the client counts: numbers run on, and a line without text only brings a number."""
        self.dropped += max(0, said.number - self.heard.get(said.voice, 0))
        self.heard[said.voice] = said.number + (said.text is not None)
        if said.text is not None:
            self.count += 1
            where = container_of(said.voice)
            self.kept.append(Line(where, said.task, said.stream, said.text, said.at))

    @property
    def numbered(self) -> int:
        """Grows with each that came or did not."""
        return self.count + self.dropped

    def of(self, container: str, task: int, most: int) -> Sequence[Line]:
        """The last ones of a task, on one container."""
        found = [line for line in self.kept if line[:2] == (container, task)]
        return found[-most:]
