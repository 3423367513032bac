"""A check's findings as they come: one that hangs or breaks is a finding itself."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from dask_serverless.command.checks.finding import Finding, failed, failed_by
from dask_serverless.errors import ServerlessError

Check = Callable[[], Iterable[Finding]]


def findings_of(what: str, check: Check, seconds: float) -> Iterator[Finding]:
    """In a thread, since a system call (a file on a server that is gone) may never come back."""
    found: queue.SimpleQueue[Finding | None] = queue.SimpleQueue()
    threading.Thread(target=carry_out, args=(what, check, found), name=what, daemon=True).start()
    deadline = time.monotonic() + seconds
    while True:
        try:
            finding = found.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            told = f"this took longer than {seconds:g} s, and was given up"
            yield failed(
                what, told, "See what it hangs on: a network, or a disk that is not there."
            )
            return
        if finding is None:
            return
        yield finding


def carry_out(what: str, check: Check, found: queue.SimpleQueue[Finding | None]) -> None:
    try:
        for finding in check():
            found.put(finding)
    except ServerlessError as error:
        found.put(failed_by(what, error))
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        found.put(failed(what, told, "If this tells you nothing, please report it with this line."))
    finally:
        found.put(None)
