"""Packing: neighbouring groups of one phase together, until a bundle is worth an invocation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from planners.graph.arrays import Ids
from planners.graph.quotient import Quotient

Numbers = npt.NDArray[np.float64]


def share_out(
    graph: Quotient, groups: Ids, phases: Ids, capacity: int, containers: int, spread: int
) -> tuple[Ids, int]:
    """Node → bundle, with ids that rise with the phase; and how many bundles.

    A phase is cut into even shares of whole groups: about ``capacity`` tasks each, but at least
    ``spread`` of them where there are groups enough, since a phase of few tasks may be the one
    that takes long.
    """
    firsts = np.full(graph.nodes, graph.nodes, dtype=np.int64)
    np.minimum.at(firsts, groups, np.arange(graph.nodes))
    names = np.flatnonzero(firsts < graph.nodes)
    order = names[np.lexsort((firsts[names], phases[names]))]
    # A chain may exceed the capacity, yet is one group: it fills a share and not several.
    weights = np.bincount(groups, weights=graph.weights, minlength=graph.nodes)[order]
    shares = _shares(np.minimum(weights, capacity), phases[order], capacity, containers, spread)
    bundle_of_name = np.empty(graph.nodes, dtype=np.int32)
    bundle_of_name[order] = shares
    return bundle_of_name[groups], int(shares[-1]) + 1


def _shares(
    weights: Numbers, phases: Ids, capacity: int, containers: int, spread: int
) -> npt.NDArray[np.int64]:
    """The bundle of each group; groups come ordered by phase and then by place."""
    group_counts = np.bincount(phases)
    phase_weights = np.bincount(phases, weights=weights)
    counts = np.ceil(phase_weights / capacity)
    # A whole number of rounds: five bundles on four containers take as long as eight.
    counts = np.where(counts > containers, np.ceil(counts / containers) * containers, counts)
    counts = np.minimum(np.maximum(counts, spread), group_counts)
    before = np.cumsum(weights) - weights / 2  # to the middle of the group
    within = before - (np.cumsum(phase_weights) - phase_weights)[phases]
    share = np.floor(within * (counts / phase_weights)[phases] + 1e-9)
    starts = np.ones(len(weights), dtype=np.bool_)
    starts[1:] = (np.diff(share) != 0) | (np.diff(phases) != 0)
    return np.cumsum(starts) - 1
