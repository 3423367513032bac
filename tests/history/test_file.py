"""The history's file: damaged, of another version, read-only, locked, on a full disk."""

from __future__ import annotations

import fcntl
import os
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from histories import entries_of

from dask_serverless.errors import HistoryUnusable
from dask_serverless.history import file
from dask_serverless.history.file import HEADER, MAGIC, FileArchive, default_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history"


def filled(path: Path) -> bytes:
    FileArchive(str(path)).add(entries_of("a", "f"))
    return path.read_bytes()


DAMAGES = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[:-3],
    "cut off in its head": lambda content: content[:20],
    "longer": lambda content: content + b"x",
    "one bit": lambda content: content[:60] + bytes([content[60] ^ 1]) + content[61:],
    "something else": lambda content: b"name,value\n" * 100,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_and_left_alone(path: Path, damage: str) -> None:
    damaged = DAMAGES[damage](filled(path))
    path.write_bytes(damaged)
    for use in (FileArchive.load, lambda archive: archive.add(entries_of("b", "g"))):
        with pytest.raises(HistoryUnusable, match="damaged.*--forget-all"):
            use(FileArchive(str(path), named=False))
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("damage", DAMAGES)
def test_all_is_forgotten_also_where_it_cannot_be_read(path: Path, damage: str) -> None:
    path.write_bytes(DAMAGES[damage](filled(path)))
    archive = FileArchive(str(path), named=False)
    archive.forget(None)
    archive.add(entries_of("b", "g"))
    assert set(archive.load()) == {"function:g"}


def test_a_file_that_a_setting_names_by_mistake_is_not_removed(path: Path) -> None:
    path.write_text("a,b\n1,2\n")
    with pytest.raises(HistoryUnusable, match="not removed"):
        FileArchive(str(path)).forget(None)
    with pytest.raises(HistoryUnusable, match="no history at all. Name another file") as refused:
        FileArchive(str(path)).load()
    assert "--forget-all" not in str(refused.value)
    assert path.read_text() == "a,b\n1,2\n"


def test_a_history_from_the_future_is_left_to_the_future(path: Path) -> None:
    content = bytearray(filled(path))
    content[: HEADER.size] = HEADER.pack(MAGIC, 99, *HEADER.unpack(content[: HEADER.size])[2:])
    path.write_bytes(content)
    with pytest.raises(HistoryUnusable, match="version 99, but this reads 2"):
        FileArchive(str(path)).add(entries_of("b", "g"))
    assert path.read_bytes() == content
    FileArchive(str(path)).forget(None)
    assert FileArchive(str(path)).load() == {}


def test_a_writer_that_was_killed_half_way_leaves_the_old_file(path: Path) -> None:
    filled(path)
    path.with_suffix(".new").write_bytes(b"half")
    archive = FileArchive(str(path))
    assert set(archive.load()) == {"function:f"}
    archive.add(entries_of("b", "g"))
    assert set(archive.load()) == {"function:f", "function:g"}
    assert {each.name for each in path.parent.iterdir()} == {"history", "history.lock"}


def test_a_path_where_nothing_can_be_made_says_so(path: Path) -> None:
    path.write_text("a file")
    below = FileArchive(str(path / "history"))
    with pytest.raises(HistoryUnusable, match=r"(exists|Not a directory).*history=\.\.\."):
        below.add(entries_of("a", "f"))
    with pytest.raises(HistoryUnusable):
        FileArchive("/proc/none/history").add(entries_of("a", "f"))


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_neither_waited_for_nor_read_without_end(path: Path, kind: str) -> None:
    """Nobody writes into the pipe; /dev/zero has no end."""
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    archive = FileArchive(str(path))
    for use in (
        archive.load,
        lambda: archive.add(entries_of("a", "f")),
        lambda: archive.forget(None),
    ):
        with pytest.raises(HistoryUnusable, match="a pipe, a socket or a device") as refused:
            use()
        assert "--forget-all" not in str(refused.value)
    assert path.exists()


def test_what_to_do_travels_with_the_error() -> None:
    for remedy in (HistoryUnusable.BEGIN_ANEW, ""):
        error = HistoryUnusable("here", "is damaged", remedy)
        again = pickle.loads(pickle.dumps(error))
        assert str(again) == str(error)
        assert again.remedy == remedy
        assert ("--forget-all" in str(again)) == bool(remedy)


FULL = """
import resource, signal, sys
sys.path.insert(0, sys.argv[1])
from histories import archive_at, entries_of
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
archive = archive_at(sys.argv[2])
more = entries_of("b", *[f"g{n}" for n in range(100)], samples=50)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    archive.add(more)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_keeps_what_was_there(path: Path) -> None:
    """A limit on the size of files fails writes as a full disk does: half-way."""
    before = filled(path)
    command = [sys.executable, "-c", FULL, str(Path(__file__).parent), str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.startswith("HistoryUnusable") and "File too large" in told
    assert path.read_bytes() == before
    assert {each.name for each in path.parent.iterdir()} == {"history", "history.lock"}
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096


def test_a_lock_that_is_never_let_go_is_an_error_and_no_hang(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = filled(path)
    monkeypatch.setattr(file, "LOCK_SECONDS", 0.05)
    with open(f"{path}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(HistoryUnusable, match="locked"):
            FileArchive(str(path)).add(entries_of("b", "g"))
        assert set(FileArchive(str(path)).load()) == {"function:f"}, "readers need no lock"
    assert path.read_bytes() == before


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "history"
    filled(path)
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_link_to_a_file_stays_one(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    filled(link)
    assert link.is_symlink() and set(FileArchive(str(path)).load()) == {"function:f"}


def test_it_lies_where_caches_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path() == str(tmp_path / "dask-serverless" / "history")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setattr(file, "MACOS", False)
    assert default_path() == "/home/someone/.cache/dask-serverless/history"
    monkeypatch.setattr(file, "MACOS", True)
    assert default_path() == "/home/someone/Library/Caches/dask-serverless/history"
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # no HOME, and no such user
    with pytest.raises(HistoryUnusable, match="no HOME"):
        default_path()
