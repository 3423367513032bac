"""Coming: an input that is fetched in parts while whoever makes it still stores it."""

from __future__ import annotations

from typing import NamedTuple

from planners.numbers.predictions import Line

#: As containers do it: parts are not smaller, and there are not more of one output. What is
#: no larger than a part goes whole.
PART_BYTES = 1 << 20
MOST_PARTS = 16


class Coming(NamedTuple):
    """Of one bundle, for another one."""

    nbytes: float
    last_part: float  # nobody can have it before it is stored
    lead: float = 0.0  # seconds before the maker's last task is done that it begins to leave

    def and_one_of(self, nbytes: float, lead: float = 0.0) -> Coming:
        part = max(PART_BYTES, nbytes / MOST_PARTS)
        return Coming(self.nbytes + nbytes, max(self.last_part, part), max(self.lead, lead))

    def here(self, begun: float, stored: float, download: Line) -> float:
        """When all of it is here, where it is fetched from ``begun`` on."""
        return max(begun + download.at(self.nbytes), stored + download.at(self.last_part))
