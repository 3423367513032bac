"""The private store: one server for this process, shared by all who hold it, gone with the process.

with EmbeddedStore() as store:      # returns at once; other start-up work goes on meanwhile
    url = store.wait_ready()
"""

from __future__ import annotations

import atexit
import itertools
import os
import threading
from typing import Self

from dask_serverless.errors import StoreUnreachable
from dask_serverless.store.server import Server

READY_SECONDS = 10.0

_lock = threading.Lock()
_server: Server | None = None
_holders: set[int] = set()
_numbers = itertools.count()


class EmbeddedStore:
    """One holder's share of the process's server; the last to close it stops the server."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._holder = next(_numbers)
        self._server = _hold(self._holder)

    @property
    def url(self) -> str:
        return self._server.url

    def wait_ready(self, timeout_seconds: float = READY_SECONDS) -> str:
        """The URL, once the server takes connections; StoreUnreachable if it does not."""
        trouble = self._server.wait_ready(timeout_seconds)
        if trouble:
            raise StoreUnreachable(self.url, trouble)
        return self.url

    def alive(self) -> bool:
        """Whether this process may go on using the server: not after a fork, nor once it died."""
        return self._pid == os.getpid() and self._server.alive()

    def close(self) -> None:
        """Give the share back (once); nothing is left when the last one is."""
        if self._pid == os.getpid():
            _release(self._holder, self._server)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _hold(holder: int) -> Server:
    """The running server, or a new one where there is none (any more)."""
    global _server
    with _lock:
        if _server is None or not _server.alive():
            if _server is not None:
                _server.stop()
                _holders.clear()  # they hold a server that is gone: nothing to give back
            _server = Server()
        _holders.add(holder)
        return _server


def _release(holder: int, server: Server) -> None:
    global _server
    with _lock:
        if server is not _server:
            return
        _holders.discard(holder)
        if not _holders:
            _server = None
            server.stop()


def _stop_at_exit() -> None:
    global _server
    with _lock:
        if _server is not None:
            _server.stop()
        _server = None


def _forget_after_fork() -> None:
    """The server is the parent's; were its pipe open here too, it would outlive the parent."""
    global _lock, _server
    _lock = threading.Lock()
    _holders.clear()
    if _server is not None:
        _server.abandon()
    _server = None


atexit.register(_stop_at_exit)
os.register_at_fork(after_in_child=_forget_after_fork)
