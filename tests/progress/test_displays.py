"""Progress as people see it: on real terminals of any width, in files, with errors and Ctrl-C."""

from __future__ import annotations

import os
import pty
import select
import struct
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest
from awaiting import eventually
from clients import Client
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.client.calling import watch
from dask_serverless.client.watch import NOBODY
from dask_serverless.errors import SettingsError
from dask_serverless.progress.screens import Terminal
from dask_serverless.progress.standing import Standing
from dask_serverless.store.connect import open_link

SCRIPT = """
s = Serverless(containers=1, progress=%s)

@delayed
def gate(path, n):
    while not os.path.exists(path):
        time.sleep(0.01)
    return 1 // n

folder = os.getcwd()
def run(n):
    parts = [gate(f"{folder}/one", 1), gate(f"{folder}/two", n)]
    return delayed(sum)(parts).compute(scheduler=s, optimize_graph=False)
"""
GOOD = SCRIPT + "tell(run(1))\ns.close()\n"
BAD = SCRIPT + "run(0)\n"
INTERRUPTED = (
    SCRIPT
    + "tell('begun')\ntry:\n    run(1)\nexcept KeyboardInterrupt:\n    tell('stopped')\ns.close()\n"
)
SECONDS = 60.0


class Screen:
    """What a terminal was sent."""

    def __init__(self, columns: int) -> None:
        self.mine, self.theirs = pty.openpty()
        ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.sent = ""

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + SECONDS
        while words not in self.sent:
            assert time.monotonic() < deadline, self.sent
            self.read()

    def read(self) -> bool:
        if not select.select([self.mine], [], [], 0.1)[0]:
            return False
        self.sent += os.read(self.mine, 65536).decode()
        return True

    def rest(self) -> str:
        """All of it, once who writes has ended."""
        while self.read():
            pass
        return self.sent

    @property
    def lines(self) -> list[str]:
        """As they stand there at the end."""
        shown = []
        for sent in self.sent.split("\n"):
            line: list[str] = []
            for piece in sent.split("\r"):
                line[: len(piece)] = piece
            shown.append("".join(line).rstrip())
        return shown


@contextmanager
def terminal(columns: int = 100) -> Iterator[Screen]:
    screen = Screen(columns)
    try:
        yield screen
    finally:
        os.close(screen.mine)
        os.close(screen.theirs)


def test_a_terminal_shows_how_far_the_run_is_and_keeps_the_last_line(tmp_path: Path) -> None:
    with terminal() as screen, Client(tmp_path, GOOD % True, screen.theirs) as client:
        screen.wait_for("/3 tasks")
        for name in ("one", "two"):
            (tmp_path / name).touch()
        assert client.hear() == "2"
        client.process.wait()
        screen.rest()
        (line,) = [line for line in screen.lines if line]
        assert line.startswith("[####") and "100%" in line and "3 tasks" in line
        assert "left" not in line


@pytest.mark.parametrize("columns", [0, 1, 7, 20, 45])
def test_a_narrow_terminal_is_never_written_past_its_end(tmp_path: Path, columns: int) -> None:
    with terminal(columns) as screen, Client(tmp_path, GOOD % True, screen.theirs) as client:
        while not screen.sent.replace("\r", "").strip() and columns != 1:
            screen.read()
        for name in ("one", "two"):
            (tmp_path / name).touch()
        assert client.hear() == "2"
        client.process.wait()
        screen.rest()
        widest = max(map(len, screen.sent.replace("\n", "\r").split("\r")))
        assert widest <= ((columns or 80) - 1)


def test_an_error_finds_a_clean_line(tmp_path: Path) -> None:
    (tmp_path / "two").touch()
    with terminal() as screen, Client(tmp_path, BAD % True, screen.theirs) as client:
        screen.wait_for("/3 tasks")
        (tmp_path / "one").touch()
        client.process.wait()
        screen.rest()
        assert [line for line in screen.lines if line][0].startswith("Traceback")
        assert not any("tasks" in line and "%" in line for line in screen.lines)


def test_ctrl_c_leaves_a_clean_line(tmp_path: Path) -> None:
    with terminal() as screen, Client(tmp_path, INTERRUPTED % True, screen.theirs) as client:
        assert client.hear() == "begun"
        screen.wait_for("/3 tasks")
        client.interrupt()
        assert client.hear() == "stopped"
        client.process.wait()
        screen.rest()
        assert not "".join(screen.lines).strip()


def test_a_file_is_told_nothing_unless_that_is_asked_for(tmp_path: Path) -> None:
    for setting, told in (("True", False), ("'always'", True)):
        for name in ("one", "two"):
            (tmp_path / name).unlink(missing_ok=True)
        with Client(tmp_path, GOOD % setting) as client:
            if told:
                assert "/3 tasks" in client.process.stderr.readline()
            for name in ("one", "two"):
                (tmp_path / name).touch()
            assert client.hear() == "2"
            _, errors = client.process.communicate()
            assert ("100%" in errors) == told
            assert "\r" not in errors


def test_a_terminal_that_cannot_go_back_gets_whole_lines(tmp_path: Path) -> None:
    with terminal() as screen, Client(tmp_path, GOOD % True, screen.theirs, TERM="dumb") as client:
        screen.wait_for("/3 tasks")
        for name in ("one", "two"):
            (tmp_path / name).touch()
        assert client.hear() == "2"
        client.process.wait()
        assert "\r" not in screen.rest().replace("\r\n", "\n")  # terminals add some of their own
        assert "100%" in screen.lines[-2]


def test_without_it_a_run_is_watched_by_nobody(serverless: Serverless) -> None:
    engine = serverless._ready()
    with engine.link() as (url, link):
        assert watch(serverless.settings, engine, url, link) is NOBODY


def test_nothing_is_left_in_the_store(tmp_path: Path) -> None:
    client = Serverless(containers=1, progress="always")
    path, results = tmp_path / "go", list[int]()
    total = delayed(sum)([gate(str(path), 2), gate(str(path), 3)])
    run = threading.Thread(target=lambda: results.append(total.compute(scheduler=client)))
    try:
        with open_link(client._ready().url) as link:
            others = set(link.call(("KEYS", "*:watched"))[0])  # what other tests have left there
            run.start()
            eventually(lambda: set(link.call(("KEYS", "*:watched"))[0]) > others)
            path.touch()
            run.join()
            assert results == [5]
            assert set(link.call(("KEYS", "*:watched"))[0]) <= others
    finally:
        path.touch()
        if run.ident is not None:
            run.join()
        client.close()


@delayed
def gate(path: str, n: int) -> int:
    """Goes on when the file is there."""
    while not Path(path).exists():
        time.sleep(0.01)
    return n


def test_of_runs_at_the_same_time_the_first_one_has_the_line() -> None:
    with terminal() as one, terminal() as other:
        with os.fdopen(os.dup(one.theirs), "w") as a, os.fdopen(os.dup(other.theirs), "w") as b:
            first, second = Terminal(a), Terminal(b)
            first.show(Standing(10, 1, 5, 0, 1, 1.0))
            second.show(Standing(20, 1, 5, 0, 1, 1.0))
            first.end(None)
            second.show(Standing(20, 2, 5, 0, 1, 1.0))
            second.end(Standing(20, 20, 5, 5, 1, 2.0, over=True))
        assert "1/10 tasks" in one.rest()
        assert "1/20 tasks" not in other.rest() and "2/20 tasks" in other.sent


@pytest.mark.parametrize("value", ["yes", 3, "Always"])
def test_a_mistyped_setting_says_what_it_may_be(value: Any) -> None:
    with pytest.raises(SettingsError, match='true, false or "always"'):
        Serverless(containers=1, progress=value)
