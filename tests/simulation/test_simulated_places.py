"""Which container an invitation gets: of idle ones, a new one, or the first that is free again."""

from dask_serverless.coordination.base import ANYONE, Whom
from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.places import Places


def places_of(*idle, **keywords):
    """With containers that fell idle at these times, the first one being number 0."""
    places = Places(BackendModel(warm=len(idle), **keywords))
    places.idle = dict(enumerate(idle))
    return places


def placed(places, *whom, now=0.0):
    for each in whom:
        places.ask(each)
    return [(each.container, "cold" if each.cold else "warm") for each in places.place(now)]


def test_the_last_to_fall_idle_comes_first_then_new_ones():
    assert placed(places_of(1, 2), ANYONE, ANYONE, ANYONE, now=3) == [
        (1, "warm"),
        (0, "warm"),
        (2, "cold"),
    ]


def test_the_one_that_is_named_comes_before_others_if_it_is_idle():
    places = places_of(1, 2)
    assert placed(places, Whom(7, "0"), now=3) == [(0, "warm")]
    assert placed(places, Whom(7, "0"), now=3) == [(1, "warm")]


def test_who_idled_too_long_is_gone():
    assert placed(places_of(0, 1, keep_alive=2), ANYONE, now=3) == [(2, "cold")]
    assert placed(places_of(0, 2, keep_alive=2), Whom(7, "0"), now=3) == [(1, "warm")]


def test_beyond_the_limit_they_wait_for_whoever_is_free_again():
    places = places_of(concurrency=2)
    assert placed(places, ANYONE, ANYONE, ANYONE) == [(0, "cold"), (1, "cold")]
    assert placed(places) == []
    places.free(1, 5.0)
    assert placed(places, now=5.0) == [(1, "warm")]


def test_of_many_repeated_invitations_few_are_kept():
    places = places_of(concurrency=2)
    for _ in range(100):
        places.ask(ANYONE)
    assert len(places.waiting) <= 8


def test_a_cold_start_that_varies_has_its_median_and_its_percentile():
    places = places_of(containers=4000, cold_start="1s", cold_start_p95="3s")
    for _ in range(4000):
        places.ask(ANYONE)
    spans = sorted(each.start_seconds for each in places.place(0.0))
    assert abs(spans[2000] - 1.0) < 0.1
    assert abs(spans[3800] - 3.0) < 0.4
