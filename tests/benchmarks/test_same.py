"""Comparing results: order of additions is forgiven, everything else is not."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.same import same

FRAME = pd.DataFrame({"x": [1.0, 2.0]}, index=["a", "b"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1),
        (0.1 + 0.2, 0.3),
        (np.ones(3), np.ones(3)),
        ((np.ones(3), [1, "a"]), (np.ones(3), [1, "a"])),
        ({"a": 1.0}, {"a": 1.0}),
        (FRAME, FRAME[::-1]),
        (FRAME.x, FRAME.x),
    ],
)
def test_same(one, other):
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 2),
        (1.0, 1.001),
        (np.ones(3), np.ones(4)),
        ([1], [1, 2]),
        ({"a": 1}, {"b": 1}),
        (FRAME, FRAME * 2),
        (FRAME, None),
        (FRAME, FRAME.x),
        (np.ones(3), None),
        ([1], None),
    ],
)
def test_different(one, other):
    assert not same(one, other)
