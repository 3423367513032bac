"""The contract of archives, over all of them: nothing is lost, all of it is bounded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from histories import Again, archive_at, entries_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dask_serverless.history.archive import ENTRY_BYTES, MemoryArchive
from dask_serverless.history.entry import merged

PROCESSES, ROUNDS = 4, 12


def test_an_archive_begins_empty(again: Again) -> None:
    assert again().load() == {}
    again().forget(None)
    again().forget(["function:f"])
    assert again().load() == {}


def test_what_was_added_is_there_for_others(again: Again) -> None:
    entries = entries_of("run", "f", "g", samples=20)
    again().add(entries)
    assert again().load() == entries
    assert again().load()["function:f"].sketch == entries["function:f"].sketch


def test_additions_merge_with_what_others_added_meanwhile(again: Again) -> None:
    one, other = again(), again()
    assert one.load() == other.load() == {}
    one.add(entries_of("a", "f"))
    other.add(entries_of("b", "f", "g"))
    one.add(entries_of("c", "g"))
    expected = merged(entries_of("a", "f"), entries_of("b", "f", "g"))
    expected |= merged(expected, entries_of("c", "g"))
    assert one.load() == again().load() == expected


def test_what_is_forgotten_is_gone_for_all_and_can_be_learnt_anew(again: Again) -> None:
    one, other = again(), again()
    one.add(entries_of("a", "f", "g", "h"))
    other.load()
    one.forget(["function:g"])
    assert set(other.load()) == {"function:f", "function:h"}
    other.add(entries_of("b", "g"))
    assert one.load()["function:g"].calls == 2
    one.forget(None)
    assert other.load() == one.load() == {}
    other.add(entries_of("c", "f"))
    assert one.load()["function:f"].calls == 2


def test_least_recently_recorded_goes_first(again: Again) -> None:
    size = len(entries_of("a", "f0")["function:f0"].pack()) + len("function:f0") + ENTRY_BYTES
    archive = again(5 * size)
    for name in ("f0", "f1", "f2", "f3", "f4"):
        archive.add(entries_of("a", name))
    archive.add(entries_of("a", "f0"))
    archive.add(entries_of("a", "f5", "f6"))
    assert set(archive.load()) == {f"function:f{number}" for number in (3, 4, 0, 5, 6)}
    assert set(again(5 * size).load()) == set(archive.load())


def test_what_went_for_want_of_room_can_be_recorded_anew_by_whoever_read_it(again: Again) -> None:
    one, other = again(400), again(400)
    one.add(entries_of("a", "f"))
    assert set(other.load()) == {"function:f"}
    one.add(entries_of("b", "g", "h", samples=3))
    assert "function:f" not in other.load()
    other.add(entries_of("c", "f"))
    assert one.load()["function:f"].calls == 2


def test_one_entry_more_than_there_is_room_for_is_no_error(again: Again) -> None:
    archive = again(10)
    archive.add(entries_of("a", "f"))
    assert archive.load() == {}


def test_names_may_hold_anything(again: Again) -> None:
    names = ("a b:c", "ä→\u2028", "{tag}", "x\"y'", "n\nl", "x" * 250)
    again().add(entries_of("a", *names))
    assert set(again().load()) == {f"function:{name}" for name in names}


def test_hundreds_of_functions_at_once(again: Again) -> None:
    names = [f"f{number}" for number in range(450)]
    again().add(entries_of("a", *names))
    again().add(entries_of("b", *names[:300]))
    found = again().load()
    assert [found[f"function:{name}"].calls for name in names] == [4] * 300 + [2] * 150


WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from histories import archive_at, entries_of
archive = archive_at(sys.argv[2])
sys.stdin.readline()
for number in range(int(sys.argv[4])):
    archive.add(entries_of(f"{sys.argv[3]} {number}", "shared", f"own {sys.argv[3]}", "also"))
"""


def test_several_processes_that_write_at_once_lose_nothing(place: str) -> None:
    command = [sys.executable, "-c", WRITER, str(Path(__file__).parent), place]
    processes = [
        subprocess.Popen([*command, str(number), str(ROUNDS)], stdin=subprocess.PIPE)
        for number in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    found = archive_at(place).load()
    for name in ("shared", "also"):
        entry = found[f"function:{name}"]
        assert (entry.calls, len(entry.sketch)) == (2 * PROCESSES * ROUNDS, PROCESSES * ROUNDS)
    assert {entry.calls for key, entry in found.items() if "own" in key} == {2 * ROUNDS}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "add", "add", "forget", "forget all"]),
            st.sets(st.sampled_from("abcdef"), min_size=1),
            st.integers(0, 1),
        ),
        max_size=12,
    )
)
def test_all_archives_do_what_the_one_in_memory_does(
    again: Again, steps: list[tuple[str, set[str], int]]
) -> None:
    size = len(entries_of("x", "a")["function:a"].pack()) + len("function:a") + ENTRY_BYTES
    room = 4 * size + size // 2
    twin, clients = MemoryArchive(most_bytes=room), [again(room), again(room)]
    clients[0].forget(None)
    for number, (what, names, client) in enumerate(steps):
        for archive in (twin, clients[client]):
            if what == "add":
                archive.add(entries_of("same" if number % 2 else str(number), *sorted(names)))
            else:
                keys = [f"function:{name}" for name in sorted(names)]
                archive.forget(None if what == "forget all" else keys)
        if clients[0] is not clients[1]:
            assert clients[1 - client].load() == clients[client].load() == twin.load()
