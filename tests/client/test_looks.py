"""When the client looks after a run: once a second, and when a bundle is late by its plan."""

from __future__ import annotations

import pytest

from dask_serverless.client.looks import LATER_SECONDS, LEAST_SECONDS, LOOK_SECONDS, Looks
from dask_serverless.coordination.base import NEVER


@pytest.mark.parametrize(
    ("due_ms", "last", "after"),
    [
        ([], 0.0, LOOK_SECONDS),
        ([], 7.3, 7.3 + LOOK_SECONDS),
        ([NEVER, NEVER], 0.0, LOOK_SECONDS),
        ([5000, 400, 300], 0.0, 0.3 + LATER_SECONDS),
        ([5000, 400, 300], 0.3 + LATER_SECONDS, 0.3 + LATER_SECONDS + LEAST_SECONDS),
        ([5000, 400, 300], 0.5, 0.5 + LOOK_SECONDS),
        ([5000, 400, 300], 4.5, 5.0 + LATER_SECONDS),
        ([5000, 400, 300], 5.1, 5.1 + LOOK_SECONDS),
        ([0], 0.0, LEAST_SECONDS),
    ],
)
def test_the_next_look(due_ms: list[int], last: float, after: float) -> None:
    assert Looks(due_ms).after(last) == pytest.approx(after)


def test_many_times_are_no_more_looks_than_are_worth_it() -> None:
    looks, last, count = Looks(range(10_000)), 0.0, 0
    while last < 10.0:
        last, count = looks.after(last), count + 1
    assert count == pytest.approx(10.0 / LEAST_SECONDS, abs=1)
