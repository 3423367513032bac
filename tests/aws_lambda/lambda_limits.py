"""AWS Lambda's limit on memory over emulators, which keep none: whoever exceeds it is killed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from clients import children
from lambda_emulators import Emulator
from lambda_router import Router

from dask_serverless.backends.processes import resident_bytes

LOOK_SECONDS = 0.002


@contextmanager
def limited(cloud: Router, largest_only: bool) -> Iterator[list[int]]:
    """The kernel's way (the largest process), or AWS's own: all of an environment, without a word.

    How often an environment has met its limit is told by its size.
    """
    over, met, doomed = threading.Event(), list[int](), set[int]()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            for each in cloud.emulators:
                met.extend(enforced(each, largest_only, doomed))

    guard = threading.Thread(target=watch)
    guard.start()
    try:
        yield met
    finally:
        over.set()
        guard.join()


def enforced(emulator: Emulator, largest_only: bool, doomed: set[int]) -> Iterator[int]:
    """``doomed`` are those that take a while to die."""
    living = set(descendants(emulator.process.pid)) - doomed
    used = {pid: resident_bytes(pid) for pid in living}
    if sum(used.values()) > emulator.memory_mb << 20:
        largest = max(used, key=lambda pid: used[pid])
        for pid in [largest] if largest_only else used:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            doomed.add(pid)
        yield emulator.memory_mb


def descendants(pid: int) -> list[int]:
    found = children(pid)
    return [*found, *(each for one in found for each in descendants(one))]
