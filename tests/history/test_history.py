"""A process's history: recorded without waiting, never lost, never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest
from histories import archive_at, entries_of, observed

from dask_serverless.config import Settings
from dask_serverless.history import opening
from dask_serverless.history.file import FileArchive
from dask_serverless.history.history import History
from dask_serverless.history.observations import Calls, Observations, Sample
from dask_serverless.history.opening import open_history
from dask_serverless.history.redis import RedisArchive
from dask_serverless.store.embedded import EmbeddedStore

NEVER = 1000.0  # seconds to the next save, for whoever wants to see what is not saved


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(opening, "_histories", {})


def history_at(place: str, save_seconds: float = NEVER) -> History:
    return History(archive_at(place), save_seconds)


def calls_of(place: str, name: str = "f") -> int:
    found = archive_at(place).load().get(f"function:{name}")
    return found.calls if found else 0


def test_the_first_run_of_a_known_function_in_a_new_process_already_predicts(place: str) -> None:
    history_at(place).record(observed("f"))
    assert calls_of(place) == 0
    learned = history_at(place)
    learned.record(observed("f", seconds=2.0, samples=9))
    learned.close()
    line = history_at(place).predictions().seconds("f", 1769)
    assert (line.at(100), line.samples) == (pytest.approx(2.0), 9)


def test_the_last_run_counts_before_it_is_saved(place: str) -> None:
    history = history_at(place)
    history.record(observed("f"))
    assert history.predictions().seconds("f", 1769).samples == 1
    history.record(observed("f", "g"))
    assert history.predictions().seconds("f", 1769).samples == 2
    assert history.predictions().seconds("g", 1769).samples == 1
    history.save()
    assert history.predictions().seconds("f", 1769).samples == 2
    assert calls_of(place) == 4


def test_well_known_functions_are_predicted_without_delay(place: str) -> None:
    """Many tiny runs in a row: to make predictions anew for each takes longer than they do."""
    history = history_at(place)
    history.record(observed("f", samples=16))
    first = history.predictions(["f"])
    history.record(observed("f", "g"))
    assert history.predictions(["f"]) is first
    later = history.predictions(["f", "g"])
    assert later.seconds("f", 0).samples == 17 and later.seconds("g", 0).samples == 1
    assert history.predictions(["f", "g"]) is later, "nothing new"
    assert history.predictions(threads=2.0).threads == 2.0
    history.save_seconds = 0.0
    history.record(observed("f"))
    assert history.predictions(["f"]).seconds("f", 0).samples == 18
    history.forget()
    assert not history.predictions(["f"]).knows(["f"])


def test_what_is_recorded_is_saved_soon(place: str) -> None:
    history = history_at(place, save_seconds=0.01)
    for _ in range(3):
        history.record(observed("f"))
        saver = history.saver
        assert saver is None or saver.daemon
        if saver is not None:
            saver.join(10)
    while history.saver is not None:
        history.saver.join(10)
    assert calls_of(place) == 6


def test_recording_takes_well_under_a_millisecond(place: str) -> None:
    history = history_at(place)
    runs = [observed(*[f"f{i}" for i in range(20)], samples=8) for n in range(200)]
    history.record(runs[0])  # starts the thread
    begun = time.perf_counter()
    for run in runs[1:]:
        history.record(run)
    assert (time.perf_counter() - begun) / len(runs) < 0.0005


def test_nothing_is_read_or_written_by_whoever_records_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history"
    history = history_at(str(path))
    history.record(Observations())
    history.close()
    assert history.saver is None
    assert not path.exists() and not path.with_suffix(".lock").exists()


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from histories import observed
from dask_serverless.config import Settings
from dask_serverless.history.opening import open_history
from dask_serverless.history.redis import RedisArchive
from dask_serverless.store.embedded import EmbeddedStore
where = {"store" if "://" in sys.argv[2] else "history": sys.argv[2]}
history = open_history(Settings.gather(**{"history": True, **where}))
"""


def run_script(place: str, text: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT + text, str(Path(__file__).parent), place]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)


ENDINGS = {
    "the end": "history.record(observed('f'))",
    "exit": "history.record(observed('f')); sys.exit(0)",
    "no threads any more": (
        "import atexit\n@atexit.register\ndef last(): history.record(observed('f'))"
    ),
    "after the histories were saved": (
        "import os; from dask_serverless.history import opening\n"
        "opening._save_all(); history.record(observed('f')); os._exit(0)"
    ),
    "another thread": (
        "import threading\n"
        "def late(): threading.main_thread().join(); history.record(observed('f'))\n"
        "threading.Thread(target=late).start()"
    ),
    "a fork": (
        "import os\nhistory.record(observed('f'))\nif not os.fork(): sys.exit(0)\nos.wait()"
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_lost_and_nothing_saved_twice_at_a_normal_exit(place: str, ending: str) -> None:
    done = run_script(place, ENDINGS[ending])
    assert done.stderr == ""
    assert calls_of(place) == 2


def test_a_fork_records_for_itself(place: str) -> None:
    run_script(
        place,
        "import os\nhistory.record(observed('f')); history.predictions()\n"
        "if not os.fork():\n    history.record(observed('f', 'g')); sys.exit(0)\n"
        "os.wait()",
    )
    assert (calls_of(place, "f"), calls_of(place, "g")) == (4, 2)


def test_threads_that_record_and_predict_at_once_lose_nothing(place: str) -> None:
    history = history_at(place, save_seconds=0.001)

    def work() -> None:
        for _ in range(20):
            history.record(observed("f"))
            history.predictions().knows(["f"])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    history.close()
    assert calls_of(place) == 4 * 20 * 2


def test_what_other_clients_save_comes_with_the_next_save(place: str) -> None:
    one, other = history_at(place), history_at(place)
    assert one.predictions().knows(["f"]) is False
    other.record(observed("f"))
    other.save()
    one.record(observed("g"))
    one.save()
    assert one.predictions().knows(["f"])


def test_forgetting_takes_what_is_not_saved_yet_too(place: str) -> None:
    history = history_at(place)
    history.record(observed("pkg.load#123", "pkg.save", "pkg.load_all"))
    assert [row.name for row in history.forget("load")] == ["pkg.load#123"]
    assert {row.name for row in history.describe()} == {"pkg.save", "pkg.load_all"}
    assert [row.name for row in history.forget("*.load*")] == ["pkg.load_all"]
    assert history.forget("nothing") == []
    assert [row.name for row in history.forget()] == ["pkg.save"]
    assert history.describe() == [] == history_at(place).describe()
    assert not history.predictions().knows(["pkg.save"])


def test_dropped_numbers_are_counted(place: str) -> None:
    history = history_at(place)
    bad = Sample(0, 1, float("nan"), 1, 1)
    history.record(Observations({"f": Calls(1, 1.0, [bad])}, publishes=[-1.0]))
    history.predictions()
    assert history.dropped == 2


# What is wrong with the archive is told once, and no run's problem


def broken(kind: str, tmp_path: Path) -> dict[str, object]:
    path = tmp_path / "broken"
    if kind == "damaged":
        path.write_bytes(b"junk")
    if kind == "future":
        FileArchive(str(path)).add(entries_of("a", "f"))
        content = path.read_bytes()
        path.write_bytes(content[:24] + b"\x63" + content[25:])
    if kind == "nowhere":
        path = Path("/proc/none/history")
    return {"history": str(path)}


BROKEN = ["damaged", "future", "nowhere"]


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.timeout(60)
def test_one_warning_then_without(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dask_serverless.store.connect.FIRST_SECONDS", 0.1)
    settings = Settings.gather(**{"history": True, **broken(kind, tmp_path)})
    with pytest.warns(UserWarning, match="goes on without") as caught:
        history = open_history(settings)
        for number in range(3):
            history.record(observed("f"))
            assert history.predictions().seconds("f", 0).samples == number + 1
            history.save()
        history.close()
    assert len(caught) == 1
    assert "DASK_SERVERLESS__HISTORY" in str(caught[0].message)
    assert ("--forget-all" in str(caught[0].message)) == (kind == "future")
    assert caught[0].filename == __file__
    assert [row.calls for row in history.describe()] == [6]


def test_a_store_that_does_not_answer_is_no_warning_and_gets_it_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dask_serverless.store.connect.FIRST_SECONDS", 0.1)
    with EmbeddedStore() as store, warnings.catch_warnings():
        warnings.simplefilter("error")
        history = History(RedisArchive(f"unix://{tmp_path}/socket"), NEVER)
        for number in range(3):
            history.record(observed("f"))
            assert history.predictions().seconds("f", 0).samples == number + 1
            history.save()
            assert [row.calls for row in history.describe()] == [2 * (number + 1)]
        history.archive = RedisArchive(store.wait_ready())  # as when it is started again
        history.record(observed("f"))
        history.close()
        other = history_at(store.url)
        assert [row.calls for row in other.describe()] == [8]
        other.close()


def test_what_has_been_closed_is_not_opened_again_by_its_own_thread(store_url: str) -> None:
    history = History(RedisArchive(store_url), 0.05)
    history.record(observed("closed"))
    saver = history.saver
    history.close()
    assert saver is not None
    saver.join(30)
    assert history.archive.link is None
    history.record(observed("closed"))
    saver = history.saver
    assert saver is not None
    saver.join(30)
    assert calls_of(store_url, "closed") == 4
    history.close()


def test_no_result_is_lost_where_warnings_are_errors(tmp_path: Path) -> None:
    history = open_history(Settings.gather(**{"history": True, **broken("damaged", tmp_path)}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history.record(observed("f"))
        assert history.predictions().knows(["f"])
        history.close()


def test_no_home_is_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.warns(UserWarning, match="no HOME") as caught:
        history = open_history(Settings.gather(history=True))
        history.record(observed("f"))
        history.close()
    assert len(caught) == 1


# Which history


def test_settings_say_where(tmp_path: Path, store_url: str) -> None:
    named = str(tmp_path / "mine")
    cache = str(tmp_path / "cache" / "dask-serverless" / "history")

    def shown(**settings: object) -> str:
        return open_history(Settings.gather(**{"history": True, **settings})).archive.shown

    assert shown() == cache
    assert shown(history=named) == shown(history=named, store=store_url) == named
    assert shown(store=store_url) == store_url
    mine = open_history(Settings.gather(history=True))
    assert mine is open_history(Settings.gather(history=True, containers=1))
    assert mine is not open_history(Settings.gather(history=named))


def test_false_learns_nothing(tmp_path: Path) -> None:
    history = open_history(Settings.gather(history=False))
    history.record(observed("f"))
    history.close()
    assert not history.predictions().knows(["f"])
    assert history.describe() == []
    assert not (tmp_path / "cache").exists()
