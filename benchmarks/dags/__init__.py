"""Sixty graphs to judge planners by, made by script: ``for name, make in DAGS.items(): make()``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.dags import pegasus, synthetic
from benchmarks.dags.workflow import Workflow

__all__ = ["DAGS", "RATIOS", "SIZES", "Workflow"]

SIZES = (50, 300, 1000)  # tasks of the Pegasus shapes, about
RATIOS = (0.1, 1.0, 10.0)  # of communication to computation, of the synthetic ones

SHAPES = {
    "reduction-256-by-2": synthetic.reduction(256, 2),
    "reduction-512-by-8": synthetic.reduction(512, 8),
    "divide-and-conquer-128": synthetic.divide_and_conquer(128),
    "stencil-16x16": synthetic.stencil(16, 16),
    "stencil-40x8": synthetic.stencil(40, 8),
    "stencil-6x60": synthetic.stencil(6, 60),
    "butterfly-16": synthetic.butterfly(4),
    "butterfly-32": synthetic.butterfly(5),
    "butterfly-64": synthetic.butterfly(6),
    "layered-5x10": synthetic.layered(synthetic.random_widths(10, 5, 1), 2, 1),
    "layered-10x30": synthetic.layered(synthetic.random_widths(30, 10, 2), 2, 2),
    "layered-20x15": synthetic.layered(synthetic.random_widths(15, 20, 3), 3, 3),
    "layered-40x10": synthetic.layered(synthetic.random_widths(10, 40, 4), 2, 4),
    "layered-60x5": synthetic.layered(synthetic.random_widths(5, 60, 5), 4, 5),
    "layered-30x30": synthetic.layered(synthetic.random_widths(30, 30, 6), 3, 6),
}


def _makers() -> Iterator[tuple[str, Callable[[], Workflow]]]:
    for make in (
        pegasus.montage,
        pegasus.cybershake,
        pegasus.epigenomics,
        pegasus.ligo,
        pegasus.sipht,
    ):
        for size in SIZES:
            yield f"{make.__name__}-{size}", partial(make, size)
    for seed, (name, (edges, tasks)) in enumerate(SHAPES.items()):
        for ratio in RATIOS:
            make_one = partial(synthetic.with_ratio, edges, tasks, ratio, seed)
            yield f"{name}-ccr-{ratio:g}", make_one


DAGS: dict[str, Callable[[], Workflow]] = dict(_makers())
