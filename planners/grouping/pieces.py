"""Pieces: tasks that cut one output up for its users, as in a shuffle, a rechunk or an overlap."""

from __future__ import annotations

import numpy as np

from planners.graph.arrays import Flags, Ids
from planners.graph.quotient import Quotient

LONGEST_PIECE = 2  # tasks: one that picks from a tuple and one that slices; more is work


def piece_groups(graph: Quotient, capacity: int, containers: int) -> tuple[Ids, int]:
    """Node → group of a source and its pieces, with topological ids; and how many groups.

    A piece has one input and one user, and the user takes pieces of other sources too. Kept with
    its source, only the piece travels; elsewhere, the whole source travels to wherever one of its
    pieces is cut. That costs no parallelism while there are sources enough for all containers;
    more pieces than a bundle should hold, of fewer sources than that, are left alone: more likely
    they are the work itself.
    """
    keep = np.arange(graph.nodes, dtype=np.int32)
    cut_once = (graph.input_counts == 1) & (graph.user_counts == 1)
    candidates = np.flatnonzero(cut_once & (graph.weights <= LONGEST_PIECE))
    if not len(candidates):
        return keep, graph.nodes
    sources = graph.inputs[graph.input_offsets[candidates]]
    source_of = np.full(graph.nodes, -1, dtype=np.int32)
    source_of[candidates] = sources
    mixed = _takes_from_several(graph, source_of)
    is_piece = mixed[candidates]
    pieces, sources = candidates[is_piece], sources[is_piece]
    large = np.bincount(sources, minlength=graph.nodes) > capacity
    if np.count_nonzero(large) < 2 * containers:
        pieces, sources = pieces[~large[sources]], sources[~large[sources]]
    keep[pieces] = sources
    while not np.array_equal(keep[keep], keep):  # a piece of a piece
        keep = keep[keep]
    is_group = np.ones(graph.nodes, dtype=np.bool_)
    is_group[pieces] = False
    ids = np.cumsum(is_group, dtype=np.int32) - np.int32(1)
    return ids[keep], int(ids[-1]) + 1


def _takes_from_several(graph: Quotient, source_of: Ids) -> Flags:
    """Whether the last user of a node takes from other sources too (False where there is none)."""
    sources = source_of[graph.inputs]
    sources = np.where(sources < 0, graph.inputs, sources)
    takers = graph.input_counts > 0
    starts = graph.input_offsets[:-1][takers]
    several = np.zeros(graph.nodes, dtype=np.bool_)
    several[takers] = np.minimum.reduceat(sources, starts) < np.maximum.reduceat(sources, starts)
    result = np.zeros(graph.nodes, dtype=np.bool_)
    result[graph.inputs] = several[graph.edge_users]
    return result
