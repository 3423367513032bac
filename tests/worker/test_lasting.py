"""What a later bundle of the container takes, too, stays in its memory until then."""

from __future__ import annotations

import pandas as pd

from dask_serverless.worker import lasting, packing
from dask_serverless.worker.lasting import Lasting
from planners.cost import lasting as planned


def test_it_stays_until_the_last_bundle_takes_it():
    shelf = Lasting()
    shelf.keep({1: "one", 2: "two"}, {1: 10, 2: 10})
    assert shelf.take([1, 3], still_needed=[1]) == {1: "one"}
    assert shelf.take([1, 2], still_needed=[2]) == {1: "one", 2: "two"}
    assert shelf.take([1, 2], still_needed=[]) == {2: "two"}
    assert shelf.take([1, 2], still_needed=[]) == {} and shelf.nbytes == 0


def test_what_there_is_no_room_for_is_fetched_again():
    shelf = Lasting(memory_mb=160)  # of which a sixteenth
    shelf.keep({1: "one", 2: "two", 3: "three"}, {1: 6 << 20, 2: 6 << 20, 3: 4 << 20})
    assert set(shelf.take([1, 2, 3], still_needed=[])) == {1, 3}


def test_texts_count_as_what_they_take_in_memory_and_not_as_their_pickle():
    frame = pd.DataFrame({"x": pd.Series(["some text"] * 500_000, dtype=object)})
    shelf = Lasting(memory_mb=160)
    shelf.keep({1: frame}, {1: 6 << 20})
    assert shelf.take([1], still_needed=[]) == {}


def test_nobody_gets_an_iterator_that_another_has_used_up():
    shelf = Lasting()
    shelf.keep({1: iter([1, 2])}, {1: 10})
    assert shelf.take([1], still_needed=[]) == {}


def test_a_column_that_one_adds_is_not_there_for_the_next():
    frame = pd.DataFrame({"x": [1, 2]})
    shelf = Lasting()
    shelf.keep({1: frame}, {1: 10})
    frame["y"] = 1
    (first,) = shelf.take([1], still_needed=[1]).values()
    first["z"] = 1
    (second,) = shelf.take([1], still_needed=[]).values()
    assert list(second) == ["x"]


def test_planners_count_on_what_containers_do():
    assert planned.MOST_BYTES == lasting.MOST_BYTES
    assert planned.SLOW_SECONDS == packing.SLOW_SECONDS
