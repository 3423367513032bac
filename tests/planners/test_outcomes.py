"""Forecasts put right by what came of earlier plans."""

import numpy as np
import pytest

from planners.numbers.outcomes import LAST, Outcome, Outcomes, Track


def track(*pairs):
    return Track([Outcome(*pair) for pair in pairs])


def test_while_nothing_is_known_the_model_is_believed():
    assert Track().forecast(2.0) == 2.0
    assert Outcomes().makespan("uniform", 2.0, 90) == 2.0
    assert not Outcomes()


def test_one_run_says_more_than_the_model():
    assert track((2.0, 3.0)).forecast(2.0) == pytest.approx(3.0)


def test_a_model_that_becomes_better_does_not_spoil_what_runs_took():
    """The first numbers of a function are those of its imports; the runs took the same all the time."""
    assert track((50.0, 1.0), (2.0, 1.0), (1.1, 1.0)).forecast(1.0) == pytest.approx(1.0)


def test_what_is_larger_than_all_before_takes_longer():
    known = track(*[(1.0, 1.2)] * 12)
    assert known.forecast(1.0) == pytest.approx(1.2)
    assert 4.0 < known.forecast(10.0) <= 12.0


def test_runs_that_follow_the_model_are_a_line():
    known = track(*[(x, 0.1 + 1.1 * x) for x in np.linspace(1, 4, 20).tolist()])
    assert known.forecast(3.0) == pytest.approx(3.4, rel=0.02)


def test_one_run_beside_a_busy_neighbour_moves_no_average():
    assert track(*[(1.0, 1.0)] * 10, (1.0, 30.0)).forecast(1.0) == pytest.approx(1.0)


@pytest.mark.parametrize("percentile", [50, 75, 90])
@pytest.mark.parametrize("known", [3, 5, 9, 20, 40])
def test_a_percentile_of_runs_stays_below_however_few_are_known(percentile, known):
    random = np.random.default_rng(known)
    held = 0
    for _ in range(2000):
        times = random.lognormal(0, 0.15, known + 1).tolist()
        forecast = track(*[(1.0, each) for each in times[:-1]]).forecast(1.0, percentile)
        held += times[-1] <= forecast
    assert held / 2000 == pytest.approx(percentile / 100, abs=0.05)


@pytest.mark.parametrize("known", [1, 3, 8, 9, 40])
def test_no_percentile_is_faster_than_every_run(known):
    """8 tasks of 50 ms on 2 containers take 0.2 s; one in a hundred was forecast to take 0.036 s."""
    times = np.random.default_rng(known).uniform(0.21, 0.9, known).tolist()
    runs = track(*[(0.2, each) for each in times])
    forecasts = [runs.forecast(0.2, percentile) for percentile in range(1, 101)]
    assert forecasts[0] >= min(times) - 1e-9
    assert forecasts == sorted(forecasts)


def test_what_took_longer_lately_is_learnt():
    known = Track()
    for came in [1.0] * 100 + [2.0] * (LAST // 2 + 1):
        known = known.after([Outcome(1.0, came)])
    assert known.forecast(1.0) == pytest.approx(2.0)
    assert len(known.outcomes) <= LAST


def test_a_way_that_was_never_gone_is_judged_by_how_others_came_true():
    outcomes = Outcomes().after("uniform", [Outcome(1.0, 1.5)], [Outcome(1.0, 3.0)])
    assert outcomes.makespan("structural", 2.0, "average") == pytest.approx(3.0)
    assert outcomes.paid("structural", 2.0, "average") == pytest.approx(6.0)
    assert (outcomes.runs("uniform"), outcomes.runs("structural")) == (1, 0)


@pytest.mark.parametrize("wrong", [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (float("nan"), 1.0)])
def test_outcomes_that_cannot_be_do_not_count(wrong):
    assert track(wrong).forecast(2.0) == 2.0


def test_a_first_forecast_that_was_far_too_high_makes_nothing_faster_than_its_tasks():
    """The first numbers of a function are those of its imports."""
    outcomes = Outcomes().after("uniform", [Outcome(10.0, 1.0)], [Outcome(10.0, 1.0)])
    assert outcomes.makespan("structural", 1.0, "average") == pytest.approx(1.0)
    assert outcomes.makespan("uniform", 1.0, "average") == pytest.approx(1.0)


def test_a_way_gets_another_chance_after_one_bad_run_and_none_after_three():
    outcomes = Outcomes().after("structural", [Outcome(1.5, 1.5)] * 5, [])
    outcomes = outcomes.after("uniform", [Outcome(1.0, 6.0)], [])
    assert outcomes.makespan("uniform", 1.0, "average") == pytest.approx(6.0)
    assert outcomes.hoped("uniform", 1.0, "average") == pytest.approx(1.0)
    outcomes = outcomes.after("uniform", [Outcome(1.0, 6.0)] * 2, [])
    assert outcomes.hoped("uniform", 1.0, "average") == pytest.approx(6.0)


def test_a_first_run_that_was_slower_is_soon_forgotten():
    """Imports, caches and first pages make the first of them slower, run by run."""
    assert track((1.0, 1.8), (1.0, 1.0)).forecast(1.0) == pytest.approx(1.0)
    assert track((1.0, 1.8), (1.0, 1.6), (1.0, 1.0), (1.0, 1.0)).forecast(1.0) == pytest.approx(1.0)


def test_doubt_grows_with_the_spread_and_goes_with_runs():
    steady = Outcomes().after("one", [Outcome(1.0, 1.0)] * 8, [])
    assert steady.doubt("one") == pytest.approx(0.0)
    swinging = [Outcome(1.0, came) for came in (0.7, 1.3, 0.8, 1.2)]
    few, many = (Outcomes().after("one", swinging * times, []) for times in (1, 8))
    assert few.doubt("one") == pytest.approx(0.15, abs=0.05)
    assert few.doubt("one") > 2 * many.doubt("one")
    assert steady.doubt("other") == 0.0
