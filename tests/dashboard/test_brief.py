"""Names where there is little room: short, and told apart."""

from __future__ import annotations

import pytest

from dask_serverless.dashboard.brief import brief

LONG = "load-the-hourly-observations-of-station-"


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["sum", "inc"], ["sum", "inc"]),
        (["a-very-long-name-of-a-task"], ["a-very-long-na…"]),
        (["read-parquet-of-2023", "read-csv"], ["read-parquet-o…", "read-csv"]),
        ([], []),
    ],
)
def test_what_fits_stays_and_ends_go_first(names: list[str], shown: list[str]) -> None:
    assert brief(names, 15) == shown


@pytest.mark.parametrize("end", ["", "-and-interpolate-onto-the-regular-grid"])
@pytest.mark.parametrize("most", [12, 15, 32])
def test_names_that_begin_alike_can_be_told_apart(end: str, most: int) -> None:
    names = [f"{LONG}{number}{end}" for number in range(60)]
    shown = brief(names, most)
    assert len(set(shown)) == 60
    assert all(len(each) <= most and each.startswith("load") for each in shown)


def test_a_name_that_another_one_goes_on_from_is_not_mistaken_for_it() -> None:
    one, other = brief([f"{LONG}a", f"{LONG}a-and-b"], 15)
    assert one != other
