"""Array graphs: tasks of a tenth to a few milliseconds on blocks of a few hundred kilobytes."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt

from benchmarks.graphs.table import graph

Block = npt.NDArray[np.float64]


def random_array(seed: int, shape: tuple[int, int], chunks: Any) -> da.Array:
    return da.random.default_rng(seed).random(shape, chunks=chunks)


def blur(block: Block) -> Block:
    """The mean of each value and its four neighbours."""
    near = [np.roll(block, shift, axis) for axis in (0, 1) for shift in (-1, 1)]
    return (block + sum(near)) / 5


@graph("array")
def add_transpose(seed: int) -> da.Array:
    """x + x.T on 20 × 20 chunks: every block needs another one from across the diagonal."""
    x = random_array(seed, (4000, 4000), 200)
    return (x + x.T).sum(axis=0).mean()


@graph("array")
def matmul(seed: int) -> da.Array:
    """8 × 8 chunks times 8 × 8 chunks."""
    rng = da.random.default_rng(seed)
    left, right = (rng.random((2000, 2000), chunks=250) for _ in range(2))
    return (left @ right).sum()


@graph("array")
def tall_skinny_qr(seed: int) -> da.Array:
    _, r = da.linalg.qr(random_array(seed, (20_000, 100), (1000, 100)))
    return r.sum()


@graph("array")
def svd_compressed(seed: int) -> tuple[da.Array, ...]:
    x = random_array(seed, (10_000, 1000), (1000, 200))
    return tuple(da.linalg.svd_compressed(x, k=10, seed=seed))


@graph("array")
def rechunk(seed: int) -> da.Array:
    """From 10 × 10 chunks to 14 × 8 that fit nowhere."""
    x = random_array(seed, (4000, 4000), 400)
    return (x.rechunk((300, 500)) + 1).sum()


@graph("array")
def map_overlap(seed: int) -> da.Array:
    x = random_array(seed, (4000, 4000), 400)
    return x.map_overlap(blur, depth=2, boundary="reflect").sum()


@graph("array")
def cumulative_sum(seed: int) -> da.Array:
    return random_array(seed, (4000, 2000), (200, 500)).cumsum(axis=0).mean()
