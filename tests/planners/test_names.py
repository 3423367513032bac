"""Names: a table of predictions means functions as people write them."""

import pytest

from planners.numbers.names import short_name
from planners.numbers.predictions import Constant

FULL = "mine.Model.fit#0a1b2c3d4e5f"
FUSED = "mine.load > numpy.add x2 > mine.fit#0a1b2c3d4e5f"


@pytest.mark.parametrize("key", ["fit", "Model.fit", "mine.Model.fit", FULL])
def test_a_function_is_meant_by_the_end_of_its_name_with_or_without_its_hash(key):
    numbers = Constant(seconds_of={key: 20.0}, output_bytes_of={key: 5.0}, peak_bytes_of={key: 7.0})
    assert numbers.seconds(FULL, 0).at() == 20.0
    assert numbers.output_bytes(FULL).at() == 5.0
    assert numbers.peak_bytes(FULL).at() == 7.0


@pytest.mark.parametrize("key", ["it", "mine", "other.fit", "Model", "fit#0a", ""])
def test_a_part_of_a_word_or_another_module_means_nothing(key):
    assert Constant(task_seconds=1.0, seconds_of={key: 20.0}).seconds(FULL, 0).at() == 1.0


def test_the_fuller_name_counts_where_both_are_told():
    numbers = Constant(seconds_of={"fit": 1.0, "mine.Model.fit": 2.0})
    assert numbers.seconds(FULL, 0).at() == 2.0
    assert numbers.seconds("yours.fit", 0).at() == 1.0


def test_a_fused_task_takes_what_its_steps_take_and_gives_what_the_last_one_gives():
    told = {"load": 10.0, "add": 3.0, "pkg.mine.fit": 4.0}
    numbers = Constant(seconds_of=told, output_bytes_of=told, peak_bytes_of=told)
    assert numbers.seconds(FUSED, 0).at() == 10.0 + 2 * 3.0 + 4.0
    assert numbers.output_bytes(FUSED).at() == 4.0
    assert numbers.peak_bytes(FUSED).at() == 10.0


def test_steps_that_nobody_tells_of_are_one_task_together():
    numbers = Constant(task_seconds=0.5, task_output_bytes=6.0, seconds_of={"fit": 4.0})
    assert numbers.seconds(FUSED, 0).at() == 4.5
    assert numbers.seconds("a.f > a.g > a.h#12", 0).at() == 0.5
    assert numbers.output_bytes(FUSED).at() == 6.0


def test_names_that_mean_nothing_in_a_graph_are_found():
    numbers = Constant(
        seconds_of={"fit": 1.0, "fti": 1.0, "load": 1.0}, output_bytes_of={"mine.save": 1.0}
    )
    assert numbers.unmatched([FULL, "a.load > b.sum#12"]) == ["fti", "mine.save"]
    assert Constant().unmatched([FULL]) == []


@pytest.mark.parametrize(
    ("name", "short"),
    [(FULL, "fit"), ("abs", "abs"), ("numpy.sum", "sum"), (FUSED, "fit"), ("a.f x3#12", "f")],
)
def test_short_names_are_for_people(name, short):
    assert short_name(name) == short
