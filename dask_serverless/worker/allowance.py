"""Allowance: how much a container may say, and in pieces of what size."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

PIECE_CHARACTERS = 700  # of a line: with all that belongs to it below what a pipe takes whole
LONGEST_CHARACTERS = 20_000  # of a line, before it was cut
# How much a container may say: so much at once, and as much again in so many seconds.
MOST_LINES, MOST_CHARACTERS, AGAIN_SECONDS = 10_000, 2 << 20, 5.0
ENOUGH = 10  # once it is used up, so much of it has to come back: a gap, and no sieve


@dataclass
class Allowance:
    """Of lines and characters; it fills up again."""

    lines: float = MOST_LINES
    characters: float = MOST_CHARACTERS
    at: float = field(default_factory=time.monotonic)
    used_up: bool = False

    def take(self, characters: int) -> bool:
        now = time.monotonic()
        share, self.at = (now - self.at) / AGAIN_SECONDS, now
        self.lines = min(MOST_LINES, self.lines + share * MOST_LINES)
        self.characters = min(MOST_CHARACTERS, self.characters + share * MOST_CHARACTERS)
        if self.used_up and self.lines < MOST_LINES / ENOUGH:
            return False
        self.used_up = self.lines < 1 or self.characters < characters
        if self.used_up:
            return False
        self.lines -= 1
        self.characters -= characters
        return True


def shortened(line: str) -> str:
    more = len(line) - LONGEST_CHARACTERS
    return line if more <= 0 else f"{line[:LONGEST_CHARACTERS]}… ({more} more characters)"


def pieces(line: str) -> Iterator[str]:
    """Of a line, each small enough for a pipe; of an empty one, one."""
    line = shortened(line.rstrip("\r"))
    for first in range(0, max(1, len(line)), PIECE_CHARACTERS):
        yield line[first : first + PIECE_CHARACTERS]
