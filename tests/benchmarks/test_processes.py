"""Whose processor time is whose: a browser that looks on is no container."""

from __future__ import annotations

import os
import subprocess
import sys

from awaiting import eventually

from benchmarks.processes import (
    BROWSER,
    CONTAINERS,
    DASHBOARD,
    STORE,
    cpu_seconds,
    descendants,
    kind,
)

NAMES = {
    "/usr/lib/chromium/chromium --type=renderer": BROWSER,
    "/opt/chrome/chrome_crashpad_handler --monitor-self": BROWSER,
    "/site-packages/playwright/driver/node cli.js run-driver": BROWSER,
    "redis-server *:0 unixsocket": STORE,
    "python -m dask_serverless.dashboard 7": DASHBOARD,
    "python -c container": CONTAINERS,
}


def test_processes_are_told_apart_by_their_command_lines() -> None:
    waits = "import sys; print(flush=True); sys.stdin.read()"
    for words, expected in NAMES.items():
        name, *more = words.split()
        with subprocess.Popen(
            [name, "-c", waits, *more],
            executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdout is not None and process.stdout.readline()
            assert kind(process.pid) == expected, words


def test_what_a_browser_has_started_is_the_browsers() -> None:
    """Also what has ended and is not waited for, which has no command line."""
    ends = "import subprocess, sys; c = subprocess.Popen(['true']); print(flush=True); input()"
    with subprocess.Popen(
        ["/opt/chrome/chrome", "-c", ends],
        executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stdout.readline()
        found = descendants(os.getpid())
        (child,) = descendants(process.pid)
        assert (found[process.pid], found[child]) == (BROWSER, BROWSER)


def test_processor_time_grows_with_work() -> None:
    before = cpu_seconds(os.getpid())
    eventually(lambda: sum(range(100_000)) and cpu_seconds(os.getpid()) > before)
