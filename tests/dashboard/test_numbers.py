"""Figures as people read them: each has its unit, the same on all pages."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from sightings import batch, sighting, structure

from dask_serverless.dashboard.numbers import in_bytes, in_seconds, signed

pytest.importorskip("bokeh")

from dataclasses import replace

from dask_serverless.dashboard.functions import functions_table, guesses
from dask_serverless.dashboard.measurements import Measured
from dask_serverless.dashboard.pages.history import known
from dask_serverless.dashboard.view import View
from dask_serverless.history.description import Row
from dask_serverless.history.entry import FUNCTION, PAID, START


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, "0 µs"), (4.2e-6, "4 µs"), (0.00099949, "999 µs"), (0.00099996, "1 ms"),
        (0.0123, "12.3 ms"), (0.9994, "999 ms"), (0.9996, "1.000 s"), (99.5, "99.500 s"),
        (1234.5, "1234 s"), (-0.9996, "-1.000 s"), (math.inf, ""),
    ],
)  # fmt: skip
def test_seconds(seconds: float, told: str) -> None:
    assert in_seconds(seconds) == told


@pytest.mark.parametrize(
    ("nbytes", "told"),
    [
        (0, "0 B"), (999, "999 B"), (1024, "1 KiB"), (1000, "0.977 KiB"), (1 << 20, "1 MiB"),
        (45_100_000, "43 MiB"), (2.5 * 2**40, "2.5 TiB"), (15_000 * 2**40, "15,000 TiB"),
    ],
)  # fmt: skip
def test_bytes(nbytes: float, told: str) -> None:
    assert in_bytes(nbytes) == told


def test_differences_have_a_sign() -> None:
    assert signed(-0.5) == "−500 ms" and signed(0.25, "{:.0%}".format) == "+25%"


def test_the_history_is_told_in_the_units_of_all_pages() -> None:
    rows = [
        Row("k", FUNCTION, "load", 12_345, 100, 4.2e-5, 0.9996, 107_561.0, 1000.0),
        Row("s", START, "cold", 2, 2, 7.69, 7.71, 0.0, 940.0),
        Row("p", PAID, "2048 MB cold", 2, 2, 7.69, 7.71, 0.0, 940.0),
    ]
    told = known(Measured(rows, "here"), 1045.0)
    for cell in (
        "12,345",
        "42 µs",
        "1.000 s",
        "105 KiB",
        "45 s ago",
        "7.690 s",
        "1 min ago",
        "2048 MiB cold",
    ):
        assert f">{cell}<" in told


def test_what_was_predicted_of_functions_too() -> None:
    predicted = {"names": ["inc"], "functions": np.array([0]), "seconds": np.array([4e-5]),
        "samples": np.array([12]), "known": [True]}  # fmt: skip
    shape = structure([[]], [0], wanted=[0], labels=["a"])
    view = View(replace(shape, predicted=predicted))
    view.series.heed(batch("c", sighting(0, 0.0, tasks={0: (0.0, 2e-5)})))
    told = functions_table(view.series)
    assert ">40 µs<" in told and ">20 µs<" in told and "−50%" in told
    assert ">12<" in told and "guessed" not in told
    assert guesses(view.structure) == ""


MIXED = {
    "names": ["inc", "dec", "inc", "step"], "functions": np.array([0, 1, 2, 2]),
    "seconds": np.array([1e-3, 1e-2, 3e-3, 0.0]), "samples": np.array([12, 0, 12, 0]),
    "known": [True, False, True, False],
}  # fmt: skip


def test_what_was_never_measured_is_told_as_a_guess() -> None:
    """It stood there as if it had been learnt, and all that came as so many percent less."""
    view = View(replace(structure([[], [], [], []], [0, 1, 2, 3]), predicted=MIXED))
    view.series.heed(batch("c", *[sighting(n, 0.0, tasks={n: (0.0, 1e-3)}) for n in range(4)]))
    (row,) = [row for row in functions_table(view.series).split("<tr>") if ">dec<" in row]
    assert ">0, guessed<" in row and ">10 ms<" in row and "%" not in row
    assert "1 of 2 functions, with 1 of 4 tasks, were never measured" in guesses(view.structure)


def test_a_function_has_one_row_however_many_objects_of_it_the_graph_has() -> None:
    """The five rows of an svd could not be told apart; the history has one of them."""
    view = View(replace(structure([[], [], [], []], [0, 1, 2, 3]), predicted=MIXED))
    view.series.heed(batch("c", *[sighting(n, 0.0, tasks={n: (0.0, 7e-3)}) for n in range(4)]))
    told = functions_table(view.series)
    (row,) = [row for row in told.split("<tr>") if ">inc<" in row]
    assert re.findall(r"<td[^>]*>(.*?)</td>", row) == [
        "inc", "3", "2.33 ms", "12", "3", "7 ms", "+200%",
    ]  # fmt: skip
    assert ">step<" not in told  # of fused tasks


def test_what_somebody_said_is_neither_measured_nor_guessed() -> None:
    said = {**MIXED, "samples": np.zeros(4, dtype=int), "known": [True] * 4}
    view = View(replace(structure([[], [], [], []], [0, 1, 2, 3]), predicted=said))
    assert "none: as it was said" in functions_table(view.series)
    assert guesses(view.structure) == ""
