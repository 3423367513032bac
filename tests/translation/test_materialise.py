"""Materialising: Dask's own code makes a graph of what it has handed over, and may be interrupted."""

from __future__ import annotations

import threading

import pytest
from dask.base import tokenize
from interrupts import at_every_step

from dask_serverless.translation.translate import materialise


class Expression:
    """Names its task by a token that has to be repeatable, as the expressions of data frames do."""

    def __dask_graph__(self) -> dict[str, tuple[object, ...]]:
        return {tokenize("a call of", "abs", ensure_deterministic=True): (abs, -1)}


def test_ctrl_c_while_dask_makes_a_token_leaves_nothing_behind_for_later_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Some of the steps leave it locked, by this thread for all others.
    monkeypatch.setattr("dask.tokenize.tokenize_lock", threading.RLock())
    steps = 0
    for _ in at_every_step(("dask.tokenize",), lambda: materialise(Expression())):
        steps += 1
        assert tokenize(object()) != tokenize(object()), "an object that has no repeatable one"
    assert steps > 5
