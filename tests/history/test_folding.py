"""Observations: what is kept of them, how they merge, and what cannot be a measurement."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

from dask_serverless.history.entry import Entries, Entry
from dask_serverless.history.folding import fold
from dask_serverless.history.observations import (
    DOWNLOAD,
    UPLOAD,
    Calls,
    Observations,
    Packing,
    Sample,
    Start,
    Transfer,
)

GOOD = Sample(512, 100, 0.5, 200, 300)


def folded(observations: Observations, now: float = 0.0) -> tuple[Entries, int]:
    return fold([observations], now, source=1)


def test_totals_are_exact_and_samples_are_sketched() -> None:
    entries, dropped = folded(Observations({"f": Calls(1000, 70.0, [GOOD] * 3)}), 5.0)
    entry = entries["function:f"]
    assert (entry.calls, entry.seconds, entry.seen, dropped) == (1000, 70.0, 5.0, 0)
    assert entry.sketch.column("seconds").tolist() == [0.5] * 3
    assert entry.sketch.column("output_bytes").tolist() == [200] * 3


def test_the_platform_is_kept_by_place_and_kind() -> None:
    observations = Observations(
        transfers=[Transfer("redis", UPLOAD, 10, 0.1), Transfer("shared", DOWNLOAD, 20, 0.2)],
        starts=[Start(True, 0.5, 512), Start(False, 0.001), Start(False, 0.002)],
        publishes=[0.001, 0.003],
    )
    entries, _ = folded(observations, 0.0)
    assert {key: entry.calls for key, entry in entries.items()} == {
        "transfer:redis upload": 1,
        "transfer:shared download": 1,
        "start:cold": 1,
        "start:warm": 2,
        "publish:round trip": 2,
    }
    assert entries["start:cold"].sketch.column("memory_mb").tolist() == [512]


def test_merged_observations_make_what_both_make() -> None:
    one = Observations({"f": Calls(2, 2.0, [GOOD]), "g": Calls(1, 1.0)}, publishes=[0.1])
    other = Observations({"f": Calls(3, 4.0, [GOOD])}, starts=[Start(True, 1.0)])
    both = one.merge(other)
    assert both.functions == {"f": Calls(5, 6.0, (GOOD, GOOD)), "g": Calls(1, 1.0)}
    assert (both.publishes, both.starts) == ((0.1,), (Start(True, 1.0),))
    assert one.functions["f"].number == 2, "a value does not change"
    assert not Observations() and both


WRONG = [nan, inf, -inf, -1.0, -1e-9, 1e300, None, "1", [1.0]]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
@pytest.mark.parametrize("place", range(5))
def test_a_sample_with_a_wrong_number_is_dropped_and_counted(wrong: object, place: int) -> None:
    bad = Sample(*(wrong if i == place else value for i, value in enumerate(GOOD)))  # type: ignore[arg-type]
    entries, dropped = folded(Observations({"f": Calls(2, 1.0, [bad, GOOD])}), 0.0)
    assert (dropped, len(entries["function:f"].sketch), entries["function:f"].calls) == (1, 1, 2)


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_wrong_totals_drop_the_function_and_wrong_waits_themselves(wrong) -> None:
    observations = Observations(
        {"f": Calls(1, wrong, [GOOD]), "g": Calls(wrong, 1.0)},
        [Transfer("redis", UPLOAD, 1, wrong), Transfer("redis", UPLOAD, wrong, 1)],
        [Start(True, wrong), Start(True, 1.0, wrong)],
        [wrong],
        packings=[Packing("f", UPLOAD, 1, wrong), Packing("f", DOWNLOAD, wrong, 1)],
    )
    assert folded(observations, 0.0) == ({}, 2 + 1 + 5 + 2)


def test_a_clock_that_jumped_teaches_nothing() -> None:
    jumped = GOOD._replace(seconds=3600.0)  # longer than all calls together
    day = 86400.0
    observations = Observations(
        {"f": Calls(5, 2.0, [jumped, GOOD])}, starts=[Start(True, day)], publishes=[day]
    )
    entries, dropped = folded(observations, 0.0)
    assert list(entries) == ["function:f"]
    assert entries["function:f"].sketch.column("seconds").tolist() == [0.5]
    assert dropped == 3


@pytest.mark.parametrize("name", ["", "x" * 10_000, None, 7])
def test_what_has_no_usable_name_is_dropped(name) -> None:
    assert folded(Observations({name: Calls(1, 1.0)}), 0.0) == ({}, 1)
    assert folded(Observations(packings=[Packing(name, UPLOAD, 1, 1.0)]), 0.0) == ({}, 1)
    assert folded(Observations(transfers=[Transfer("redis", "sideways", 1, 1)]), 0) == ({}, 1)


def test_numpy_numbers_are_numbers() -> None:
    sample = Sample(*np.array(GOOD))
    _, dropped = folded(Observations({"f": Calls(np.int64(1), np.float64(1), [sample])}), 0.0)  # type: ignore[arg-type]
    assert dropped == 0


def test_equal_samples_of_other_runs_count_and_an_entry_that_comes_twice_does_not() -> None:
    runs = [Observations({"f": Calls(1, 1.0, [GOOD])})] * 2
    one, other = (fold(runs, 0.0, source)[0]["function:f"] for source in (1, 2))
    assert (one.calls, len(one.sketch)) == (2, 2)
    assert len(one.merge(other).sketch) == 4
    assert one.merge(one).sketch.rows.tolist() == one.sketch.rows.tolist()


def test_a_run_with_a_wrong_total_spoils_no_other() -> None:
    runs = [Observations({"f": Calls(1, total, [GOOD])}) for total in (nan, 1.0, inf)]
    entries, dropped = fold(runs, 0.0, source=1)
    assert (entries["function:f"].calls, entries["function:f"].seconds, dropped) == (1, 1.0, 4)


def test_entries_survive_packing_and_nothing_else_is_one() -> None:
    entry = folded(Observations({"f": Calls(3, 1.0, [GOOD])}), 7.0)[0]["function:f"]
    packed = entry.pack()
    assert Entry.unpack(packed) == entry
    for damaged in (b"", b"junk", packed[:-1], packed[:20], b"\xc0", packed + b"x", b"\x81\x01"):
        with pytest.raises(ValueError, match="no entry"):
            Entry.unpack(damaged)
