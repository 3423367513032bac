"""Sizes: how a bundle says which size of container it needs, where a run has several; 0 is the smallest.

Its slot says that, too, so whoever passes slots on has nothing to know of sizes: a bundle without a
slot has -1 for the smallest size, -2 for the next one, …; a slot's number has the size above its 24
bits. Where there is one size only, slots are what they are.
"""

from __future__ import annotations

from collections.abc import Sequence

SLOT_BITS = 24
SLOTS = 1 << SLOT_BITS  # of each size
MOST_SIZES = 64  # a slot has 31 bits


def size_of(slot: int) -> int:
    return -1 - slot if slot < 0 else slot >> SLOT_BITS


def number_of(slot: int) -> int:
    """A slot as the plan has it."""
    return -1 if slot < 0 else slot % SLOTS


def of_size(slot: int, size: int) -> int:
    """A planned slot (-1: none) as containers and the store know it."""
    return slot - size if slot < 0 else slot | size << SLOT_BITS


def size_with(memory_mb: int, sizes: Sequence[int]) -> int:
    """The largest one that so much memory is enough for."""
    return max((size for size, least in enumerate(sizes) if least <= memory_mb), default=0)


def size_for(memory_mb: int, sizes: Sequence[int]) -> int:
    """The smallest one that has so much memory; the largest one if none has."""
    enough = (size for size, memory in enumerate(sizes) if memory >= memory_mb)
    return next(enough, len(sizes) - 1)
