"""What was measured: samples, the cell they are collected in, and the table of cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

LIMIT = "limit"  # stands among the peers


@dataclass(frozen=True)
class Sample:
    """One compute, by the wall and by the processor time of the client's process."""

    seconds: float
    client_seconds: float = 0.0
    numbers: Mapping[str, float] = field(default_factory=dict)  # whatever else was reported


@dataclass
class Cell:
    """All samples of one peer on one graph."""

    samples: list[Sample] = field(default_factory=list)
    spent: float = 0.0  # seconds measured
    failure: str = ""

    @property
    def seconds(self) -> float:
        return median(sample.seconds for sample in self.samples)

    @property
    def client_seconds(self) -> float:
        return median(sample.client_seconds for sample in self.samples)

    @property
    def spread(self) -> float:
        """How far apart the fastest and the slowest are, as a share of the median."""
        seconds = [sample.seconds for sample in self.samples]
        return (max(seconds) - min(seconds)) / self.seconds if self.seconds else 0.0

    @property
    def measured(self) -> bool:
        return bool(self.samples) and not self.failure

    def number(self, name: str) -> float | None:
        """The median of one reported number."""
        found = [sample.numbers[name] for sample in self.samples if name in sample.numbers]
        return median(found) if found else None

    def total(self, name: str) -> float:
        return sum(sample.numbers.get(name, 0.0) for sample in self.samples)


@dataclass
class Table:
    """Graph → peer → cell, with the family of each graph."""

    families: dict[str, str] = field(default_factory=dict)
    cells: dict[str, dict[str, Cell]] = field(default_factory=dict)

    def cell(self, graph: str, peer: str) -> Cell:
        return self.cells.setdefault(graph, {}).setdefault(peer, Cell())

    def measured(self, graph: str, peer: str) -> Cell | None:
        cell = self.cells.get(graph, {}).get(peer)
        return cell if cell is not None and cell.measured else None

    def ratio(self, graph: str, over: str, under: str) -> float | None:
        """How many times longer ``over`` takes than ``under``."""
        above, below = self.measured(graph, over), self.measured(graph, under)
        return above.seconds / below.seconds if above and below else None

    def graphs_of(self, family: str) -> list[str]:
        return [graph for graph, its in self.families.items() if its == family]
