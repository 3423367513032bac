"""Blobs that were fetched before anybody asked: whoever asks waits, takes, or fetches itself."""

from __future__ import annotations

import threading

import pytest

from dask_serverless.blobs.ahead import Ahead, Shelf
from dask_serverless.blobs.memory import Memory
from dask_serverless.errors import BlobLost


class Counting(Memory):
    def __init__(self):
        super().__init__()
        self.asked = []

    def get(self, references):
        self.asked += references
        return super().get(references)


@pytest.fixture
def place():
    return Counting()


def stored(place, name):
    return place.put(name, [name.encode()]).reference


def test_what_is_here_is_not_fetched_again(place):
    shelf, one = Shelf(), stored(place, "one")
    assert shelf.begin(one)
    shelf.end(one, bytearray(b"one"))
    assert Ahead(place, shelf).get([one]) == [b"one"]
    assert place.asked == []


def test_what_nobody_has_begun_with_is_fetched_and_not_a_second_time(place):
    shelf, one = Shelf(), stored(place, "one")
    assert Ahead(place, shelf).get([one]) == [b"one"]
    assert not shelf.begin(one)  # too late


def test_whoever_asks_for_what_is_under_way_waits_for_it(place):
    shelf, one, other = Shelf(), stored(place, "one"), stored(place, "other")
    shelf.begin(one)
    found = []
    asking = threading.Thread(target=lambda: found.extend(Ahead(place, shelf).get([one, other])))
    asking.start()
    asking.join(0.05)
    assert asking.is_alive() and place.asked == [other]  # which did not wait
    shelf.end(one, bytearray(b"one"))
    asking.join(5)
    assert found == [b"one", b"other"] and place.asked == [other]


def test_what_was_saved_is_the_download_less_the_waiting(place):
    shelf, here, late = Shelf(), stored(place, "here"), stored(place, "late")
    shelf.begin(here)
    shelf.end(here, bytearray(b"here"), 2.0)
    shelf.begin(late)
    coming = threading.Timer(0.1, shelf.end, (late, bytearray(b"late"), 1.0))
    coming.start()
    Ahead(place, shelf).get([here, late])
    assert 2.0 < shelf.saved_seconds <= 2.0 + 1.0 - 0.09
    coming.join()


def test_a_download_that_failed_is_tried_by_whoever_asks(place):
    shelf, one = Shelf(), stored(place, "one")
    shelf.begin(one)
    shelf.end(one, None)
    assert Ahead(place, shelf).get([one]) == [b"one"]
    place.delete([one])
    with pytest.raises(BlobLost):
        Ahead(place, shelf).get([one])


def test_a_second_attempt_gets_a_buffer_of_its_own(place):
    """A task may have written into what the first one was given."""
    shelf, one = Shelf(), stored(place, "one")
    shelf.begin(one)
    shelf.end(one, bytearray(b"one"))
    ahead = Ahead(place, shelf)
    ahead.get([one])[0][:] = b"xxx"
    assert ahead.get([one]) == [b"one"]
