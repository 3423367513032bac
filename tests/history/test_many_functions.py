"""A graph of more functions than one run measures."""

from __future__ import annotations

from collections.abc import Callable

import dask
from dask import delayed

from dask_serverless import Serverless


def adding(number: int) -> Callable[[int], int]:
    names: dict[str, Callable[[int], int]] = {}
    exec(f"def add_{number}(x):\n    return x + {number}\n", names)
    return names[f"add_{number}"]


def test_what_was_not_measured_yet_is_expected_to_take_what_the_rest_does(tmp_path) -> None:
    values = [delayed(adding(n))(1) for n in range(300)]
    with Serverless(containers=2, history=str(tmp_path / "history")) as client:
        assert dask.compute(*values, scheduler=client) == tuple(n + 1 for n in range(300))
        forecast = client.plan(*values).prediction.makespan_seconds
        assert forecast < 0.5  # a guess for each alone would be 1.5 s
        dask.compute(*values, scheduler=client, deadline=1.0)
