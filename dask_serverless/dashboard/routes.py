"""Routes: the ways of edges between boxes in columns, beside all boxes that they do not belong to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np

from planners.graph.arrays import Floats, Ids

STEP = 0.1  # between two edges that pass a column side by side; rows are one apart
NEAR = 0.6  # of a way that edges of one source share
CLEAR = 0.06  # between a box and what passes it, at least
BULGE = 0.24  # how far a way that turns back reaches beyond its box; columns are one apart
MOST_PASSES = 20_000  # of columns; edges beyond go straight: in such a thicket nobody follows one

Curve = tuple[float, ...]  # x0, y0, two points that it bends towards, x1, y1: cubic
CURVE = ("x0", "y0", "cx0", "cy0", "cx1", "cy1", "x1", "y1")


class Routes:
    """An edge leaves its source on the right and comes into its target from the left, always.

    One whose target stands in the same column, or further left, as circles of prefixes have it,
    turns back beside its source and once more beside its target.
    """

    def __init__(self, x: Floats, y: Floats, width: float, height: float) -> None:
        self.x, self.y = x.tolist(), y.tolist()
        self.half = width / 2
        self.columns = Columns(self.x, self.y, height)

    def curves(self, sources: Ids, targets: Ids) -> tuple[dict[str, Floats], Ids]:
        """Columns of a source, and the edge that each curve belongs to. Short edges choose first."""
        spans = np.array(self.x)[targets] - np.array(self.x)[sources]
        found: list[Curve] = []
        owners: list[int] = []
        passes = 0
        for edge in np.argsort(np.abs(spans), kind="stable").tolist():
            source, target = int(sources[edge]), int(targets[edge])
            passes += abs(int(spans[edge]))
            way = (
                self.way(source, target) if passes <= MOST_PASSES else self.straight(source, target)
            )
            for curve in way:
                found.append(curve)
                owners.append(edge)
        columns = np.array(found, dtype=np.float64).reshape(-1, len(CURVE)).T
        return dict(zip(CURVE, columns, strict=True)), np.array(owners, dtype=np.int32)

    def way(self, source: int, target: int) -> Iterator[Curve]:
        if self.x[target] > self.x[source]:
            return self.onward(source, target)
        return self.back(source, target)

    def straight(self, source: int, target: int) -> Iterator[Curve]:
        begin, end = self.x[source] + self.half, self.x[target] - self.half
        yield between(begin, self.y[source], end, self.y[target])

    def onward(self, source: int, target: int) -> Iterator[Curve]:
        at, y, end = self.x[source] + self.half, self.y[source], self.x[target]
        for column in range(int(self.x[source]) + 1, int(end)):
            wish = y + (self.y[target] - y) / (end - column + 1)
            passed = self.columns.passed(column, wish, ("onward", source))
            yield between(at, y, column - self.half, passed)
            yield between(column - self.half, passed, column + self.half, passed)
            at, y = column + self.half, passed
        yield between(at, y, end - self.half, self.y[target])

    def back(self, source: int, target: int) -> Iterator[Curve]:
        """Around the source, past the columns on the way, and around the target."""
        y = self.y[source]
        wish = y + (0.5 if self.y[target] > y else -0.5)
        at = None
        for column in range(int(self.x[source]), int(self.x[target]) - 1, -1):
            passed = self.columns.passed(column, wish, ("back", source))
            right, left = column + self.half, column - self.half
            yield turn(right, y, passed, BULGE) if at is None else between(at, wish, right, passed)
            yield between(right, passed, left, passed)
            at, wish = left, passed
        yield turn(self.x[target] - self.half, wish, self.y[target], -BULGE)


class Columns:
    """Where edges may pass each column of boxes: in steps, those of one source together."""

    def __init__(self, x: Sequence[float], y: Sequence[float], height: float) -> None:
        self.taken: dict[int, set[int]] = defaultdict(set)  # column → steps
        self.mine: dict[tuple[int, Any], list[int]] = defaultdict(list)  # (column, whose) → steps
        self.boxes: dict[int, set[int]] = defaultdict(set)  # column → steps that its boxes cover
        reach = int((height / 2 + CLEAR) / STEP)
        for column, row in zip(x, y, strict=True):
            middle = round(row / STEP)
            self.boxes[int(column)].update(range(middle - reach, middle + reach + 1))

    def passed(self, column: int, wish: float, whose: Any) -> float:
        """As near to the wish as there is room; where others of theirs pass, if that is near, too."""
        mine = self.mine[column, whose]
        near = min(mine, key=lambda step: abs(step * STEP - wish), default=None)
        if near is None or abs(near * STEP - wish) > NEAR:
            near = self.free(column, round(wish / STEP))
            mine.append(near)
        return near * STEP

    def free(self, column: int, middle: int) -> int:
        boxes, taken = self.boxes[column], self.taken[column]
        steps = (middle + sign * away for away in count() for sign in (1, -1))
        step = next(step for step in steps if step not in boxes and step not in taken)
        taken.add(step)
        return step


def between(x0: float, y0: float, x1: float, y1: float) -> Curve:
    middle = (x0 + x1) / 2
    return (x0, y0, middle, y0, middle, y1, x1, y1)


def turn(x: float, y0: float, y1: float, bulge: float) -> Curve:
    return (x, y0, x + bulge, y0, x + bulge, y1, x, y1)
