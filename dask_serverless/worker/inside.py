"""Whether this thread is a container's: what its tasks compute, they compute there and then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Thread(threading.local):
    container = False


_thread = _Thread()


def is_container() -> bool:
    return _thread.container


@contextmanager
def a_container() -> Iterator[None]:
    """In a process that may be the client's own, whose Serverless objects wait for this thread."""
    _thread.container = True
    try:
        yield
    finally:
        _thread.container = False
