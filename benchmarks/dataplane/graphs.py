"""Graphs whose tasks leave much more than they compute: what they cost is moving it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from dask.delayed import Delayed, delayed

Block = npt.NDArray[np.float64]
BLOCK_BYTES = 4_000_000


def block(number: int, nbytes: int = BLOCK_BYTES) -> Block:
    return np.full(nbytes // 8, float(number))


def slow_block(number: int, nbytes: int, seconds: float) -> Block:
    """Takes that long in any case: how long memory takes to come, no forecast knows."""
    begun = time.perf_counter()
    made = block(number, nbytes)
    time.sleep(max(0.0, seconds - (time.perf_counter() - begun)))
    return made


def large_block(number: int) -> Block:
    return block(number, 4 * BLOCK_BYTES)


def combine(*blocks: Block) -> Block:
    """As large as each of them."""
    total = blocks[0].copy()
    for other in blocks[1:]:
        total += other
    return total


def shift(one: Block, by: int) -> Block:
    return one + by


def total(*values: Any) -> float:
    """A number of blocks, or of numbers."""
    return float(sum(np.sum(value) for value in values))


def nap(seconds: float, *after: Any) -> int:
    """Takes no core, so that there may be more containers than cores."""
    time.sleep(seconds)
    return 1


def last_of(block: Block, plus: float) -> float:
    """Touches next to nothing of it."""
    return float(block[-1]) + plus


def look(block: Block, plus: float, seconds: float) -> float:
    time.sleep(seconds)
    return last_of(block, plus)


def sum_of_firsts(after: Any, *blocks: Block) -> float:
    return float(sum(block[0] for block in blocks)) + after


def tree() -> Delayed:
    """64 blocks, added in pairs."""
    values = [delayed(block, pure=False)(number) for number in range(64)]
    while len(values) > 1:
        pairs = [values[i : i + 2] for i in range(0, len(values), 2)]
        values = [delayed(combine, pure=False)(*pair) for pair in pairs]
    return delayed(total, pure=False)(values[0])


def fan_out() -> Delayed:
    """One large block that 32 tasks look at."""
    large = delayed(large_block, pure=False)(1)
    looks = [delayed(total, pure=False)(large, number) for number in range(32)]
    return delayed(total, pure=False)(*looks)


def diamonds() -> Delayed:
    """16 times a block that two tasks change, and a third one joins again; then one number."""
    ends = []
    for number in range(16):
        top = delayed(block, pure=False)(number)
        sides = [delayed(shift, pure=False)(top, by) for by in (1, 2)]
        joined = delayed(combine, pure=False)(*sides)
        ends.append(delayed(total, pure=False)(joined))
    return delayed(total, pure=False)(*ends)


def ladder() -> Delayed:
    """8 rows of 6 steps, each with a block of its own from the side."""
    rows = []
    for row in range(8):
        value = delayed(block, pure=False)(row)
        for step in range(6):
            side = delayed(block, pure=False)(step, BLOCK_BYTES)
            value = delayed(combine, pure=False)(value, side)
        rows.append(delayed(total, pure=False)(value))
    return delayed(total, pure=False)(*rows)


OUTPUT_BYTES = {
    "block": BLOCK_BYTES,
    "large_block": 4 * BLOCK_BYTES,
    "combine": BLOCK_BYTES,
    "shift": BLOCK_BYTES,
}
LARGE: dict[str, Callable[[], Delayed]] = {
    "tree": tree,
    "fan-out": fan_out,
    "diamonds": diamonds,
    "ladder": ladder,
}
