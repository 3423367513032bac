"""Edges between prefixes: from right to left sides, beside all other boxes, also where they turn back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("bokeh")

from dask_serverless.dashboard.pages.overview import HEIGHT, WIDTH
from dask_serverless.dashboard.routes import CURVE, Routes

Place = tuple[float, float]


def ways(places: Sequence[Place], edges: Sequence[tuple[int, int]]) -> list[list[Place]]:
    """Of each edge: points along its curves."""
    x, y = np.array(places, dtype=float).T
    sources, targets = np.array(edges, dtype=np.int32).T
    curves, owners = Routes(x, y, WIDTH, HEIGHT).curves(sources, targets)
    found: list[list[Place]] = [[] for _ in edges]
    for row, owner in zip(zip(*(curves[name] for name in CURVE), strict=True), owners, strict=True):
        x0, y0, ax, ay, bx, by, x1, y1 = row
        for t in np.linspace(0, 1, 21):
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            at_x = sum(w * v for w, v in zip(weights, (x0, ax, bx, x1), strict=True))
            at_y = sum(w * v for w, v in zip(weights, (y0, ay, by, y1), strict=True))
            found[owner].append((at_x, at_y))
    return found


def inside(point: Place, box: Place) -> bool:
    slack = 1e-6
    return (
        abs(point[0] - box[0]) < WIDTH / 2 - slack and abs(point[1] - box[1]) < HEIGHT / 2 - slack
    )


LINE = [(0, 0), (1, 0), (2, 0), (3, 0)]
PAIRS = [(0, 0.5), (0, -0.5), (1, 0.5), (1, -0.5), (2, 1), (2, 0), (2, -1)]


@pytest.mark.parametrize(
    ("places", "edges"),
    [
        (LINE, [(0, 1), (0, 2), (0, 3), (1, 3)]),
        (LINE, [(3, 0), (2, 0), (3, 1), (0, 3)]),
        (PAIRS, [(1, 0), (0, 1), (2, 0), (6, 2), (5, 3), (0, 4), (1, 6)]),
        (LINE, [(n, m) for n in range(4) for m in range(4) if n != m]),
    ],
)
def test_an_edge_leads_from_a_right_side_to_a_left_one_and_through_no_box(places, edges):
    for (source, target), way in zip(edges, ways(places, edges), strict=True):
        assert way[0] == pytest.approx((places[source][0] + WIDTH / 2, places[source][1]))
        assert way[-1] == pytest.approx((places[target][0] - WIDTH / 2, places[target][1]))
        assert not [(point, box) for point in way for box in places if inside(point, box)]


def test_edges_of_two_sources_pass_a_column_apart_and_those_of_one_together() -> None:
    places = [(0, 0.5), (0, -0.5), (1, 0), (2, 0.5), (2, -0.5)]
    one, two, other = ways(places, [(0, 3), (0, 4), (1, 3)])
    heights = [{round(y, 3) for x, y in way if abs(x - 1) < 0.2} for way in (one, two, other)]
    assert len(heights[0]) == 1 and heights[0] == heights[1] != heights[2]


def test_a_thicket_of_edges_is_drawn_in_time() -> None:
    """Two hundred prefixes, all of them after all others: nobody waits for that."""
    places = [(float(n), 0.0) for n in range(200)]
    edges = [(n, m) for n in range(200) for m in range(n + 1, 200)]
    x, y = np.array(places).T
    sources, targets = np.array(edges, dtype=np.int32).T
    _, owners = Routes(x, y, WIDTH, HEIGHT).curves(sources, targets)
    assert set(owners) == set(range(len(edges)))
    assert len(owners) < 4 * len(edges)
