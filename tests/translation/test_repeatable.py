"""Which tasks may run twice: only those that surely give the same."""

from __future__ import annotations

import random
from operator import add

import dask.array as da
import numpy as np
import pytest
from dask.delayed import delayed

from dask_serverless.translation.repeatable import repeatable
from dask_serverless.translation.translate import materialise, translate


def flags(collection):
    """By the key's name, without its token."""
    translation = translate(materialise(collection.__dask_graph__()), collection.__dask_keys__())
    found = repeatable(translation).tolist()
    keys = [label[0] if isinstance(label, tuple) else label for label in translation.dag.labels]
    names = [key.rsplit("-", 5 if key.count("-") > 4 else 1)[0] for key in keys]
    return dict(zip(names, found, strict=True))


def noisy(block):
    return block + np.random.random(block.shape)


def test_arrays_made_by_numpy_and_dask_are():
    x = da.random.default_rng(1).random((4, 4), chunks=2)
    found = flags(x + da.ones((4, 4), chunks=2))
    assert found == {"random": True, "ones_like": True, "add": True}


def test_what_calls_the_users_function_is_not():
    """A map_blocks that draws its noise anew has a key that is a token, too."""
    x = da.ones((4, 4), chunks=2)
    assert flags(x.map_blocks(noisy, dtype=float))["noisy"] is False
    along = da.apply_along_axis(lambda row: row + random.random(), 0, x, dtype=float, shape=(4,))
    assert not all(flags(along).values())


def test_delayed_functions_are_if_the_user_calls_them_pure():
    assert flags(delayed(noisy)(1)) == {"noisy": False}
    assert flags(delayed(add)(1, 2)) == {"add": True}
    assert flags(delayed(noisy, pure=True)(np.ones(2)))["noisy"] is True


@pytest.mark.parametrize(
    "function", [np.vectorize(noisy, otypes=[float]), np.random.random, np.empty]
)
def test_functions_with_something_else_in_them_are_not(function):
    x = da.ones((4, 4), chunks=2)
    assert not all(flags(x.map_blocks(function, dtype=float, name="made")).values())
