"""Where a run stands, in words that fit, and how long it may still take."""

from __future__ import annotations

import numpy as np
import pytest

from dask_serverless.progress.standing import Forecast, Standing, left
from dask_serverless.progress.words import duration, line

HALF = Standing(tasks=1000, done_tasks=500, bundles=20, done_bundles=10, containers=2, seconds=4.0,
    left=4.0)  # fmt: skip


@pytest.mark.parametrize("width", [1, 3, 4, 5, 12, 20, 39, 40, 60, 79, 120, 500])
@pytest.mark.parametrize("standing", [HALF, Standing(10**9, 1, 10**8, 0, 10**4, 1e6)])
def test_a_line_never_takes_more_than_there_is(standing: Standing, width: int) -> None:
    assert len(line(standing, width)) <= width
    assert line(standing, width).isascii()


def test_a_wide_line_says_all_there_is() -> None:
    told = line(HALF, 120)
    for word in ("50%", "500/1,000 tasks", "10/20 bundles", "2 containers", "4.0s", "4.0s left"):
        assert word in told
    assert told.count("#") == 20 and told.index("[") == 0


def test_a_narrow_line_keeps_the_share_and_the_time() -> None:
    assert line(HALF, 24).strip() == "50% | 4.0s, 4.0s left"
    assert line(HALF, 6).strip() == "50%"


@pytest.mark.parametrize("width", [40, 60, 79, 120])
def test_the_bar_keeps_its_length_while_words_come_and_go(width: int) -> None:
    moments = [
        Standing(1234, 0, 56, 0, 0, 0.1),
        Standing(1234, 99, 56, 7, 2, 9.9, left=61.0),
        Standing(1234, 1233, 56, 55, 12, 600.0, left=0.1),
        Standing(1234, 1234, 56, 56, 12, 601.0, over=True),
    ]
    assert len({line(moment, width).find("]") for moment in moments}) == 1


def test_what_is_not_quite_done_is_not_called_done() -> None:
    assert "99%" in line(Standing(10_000, 9_999, 10, 9, 1, 1.0), 80)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.04, "0.0s"), (59.94, "59.9s"), (61, "1m01s"), (7322, "2h02m")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def standing(done_bundles: int, seconds: float, done_tasks: int = 0) -> Standing:
    return Standing(100, done_tasks, 4, done_bundles, 1, seconds)


# Bundles that are planned to be finished after 1, 2, 3 and 10 seconds.
FORECAST = Forecast.of({"makespan": 10.0, "finished": np.array([10.0, 1.0, 2.0, 3.0])})


@pytest.mark.parametrize(
    ("now", "forecast", "seconds"),
    [
        (standing(0, 0.4), FORECAST, 9.6),  # nothing is finished: as planned
        (standing(0, 30.0), FORECAST, 0.0),  # late: any moment now
        (standing(3, 3.0, 75), FORECAST, 7.0),  # as planned: the last bundle is a long one
        (standing(3, 6.0, 75), FORECAST, 14.0),  # at half the pace
        (standing(3, 3.0, 75), None, 1.0),  # by the share of tasks alone
        (standing(0, 3.0), None, None),  # nothing to go by
    ],
)
def test_time_left_follows_the_plan_at_the_pace_of_the_run(
    now: Standing, forecast: Forecast | None, seconds: float | None
) -> None:
    found = left(now, forecast)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_a_plan_without_numbers_is_no_forecast() -> None:
    assert Forecast.of({}) is None
