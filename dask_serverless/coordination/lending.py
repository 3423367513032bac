"""Lending: outputs of one run in memory that stayed in containers' memory, and who took them there.

An output that nobody else has is made again if its container is lost: by the spec of the bundle
that made it, and by its inputs. So these stay until all bundles that took outputs from its memory
(to which it lent them) are settled themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Lending:
    """The names are those of the store's keys."""

    held: dict[int, str] = field(default_factory=dict)  # bundle → the container that has it
    lent: dict[int, int] = field(default_factory=dict)  # bundle → to how many, not settled
    borrowed: dict[int, list[int]] = field(default_factory=dict)  # bundle → from which ones
    owed: dict[int, bytes] = field(default_factory=dict)  # bundle that is done → its releases

    def held_by(self, container: str) -> list[int]:
        return sorted(bundle for bundle, holder in self.held.items() if holder == container)

    def lend(self, lenders: list[int], borrower: int) -> None:
        for lender in lenders:
            self.lent[lender] = self.lent.get(lender, 0) + 1
        self.borrowed[borrower] = lenders

    def settle(self, bundle: int, releases: bytes) -> Iterator[tuple[int, bytes]]:
        """A bundle is done: it and those that lent to it, as far as they are settled by that."""
        self.held.pop(bundle, None)
        todo = [(bundle, releases)]
        while todo:
            name, mine = todo.pop()
            if name in self.lent:
                self.owed[name] = mine
                continue
            yield name, mine
            for lender in self.borrowed.pop(name, ()):
                self.lent[lender] = self.lent.get(lender, 0) - 1
                if self.lent[lender] <= 0:
                    del self.lent[lender]
                    if lender in self.owed:
                        todo.append((lender, self.owed.pop(lender)))
