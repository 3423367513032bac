"""The dashboard as a process of its own, seen from the one that starts it and that it ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec

from dask_serverless.dashboard.access import Access, Address
from dask_serverless.errors import PackageMissing

STOP_SECONDS = 3.0
EXTRA = "dashboard"


def require(what: str) -> None:
    if find_spec("bokeh") is None:
        raise PackageMissing(what, "bokeh", EXTRA)


class DashboardProcess:
    """It listens at once: the socket is made here, and whoever comes early waits for the server.

    It reads what store to follow from a pipe, and ends when that closes: with ``close``, or when
    this process ends in whatever way.
    """

    def __init__(
        self, address: Address, origins: Sequence[str] = (), template: str | None = None
    ) -> None:
        require("the dashboard")
        self.pid = os.getpid()
        self.followed: tuple[str, bool | str] | None = None
        with address.listen() as listening:
            port = listening.getsockname()[1]
            self.access = Access.to(address, port, "", origins, template)
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dask_serverless.dashboard", str(listening.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[listening.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal is for the client
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        told = self.access
        self.tell(host=told.host, port=told.port, token=told.token, origins=told.origins)

    @property
    def link(self) -> str:
        return self.access.link

    def alive(self) -> bool:
        return self.pid == os.getpid() and self.process.poll() is None

    def follow(self, store: str, history: bool | str, shared: bool) -> None:
        """Read from this store from now on; ``shared`` says whether it has the history, too."""
        if (store, history) != self.followed:
            self.followed = store, history
            self.tell(store=store, history=history, shared=shared)

    def tell(self, **words: object) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended: pages say so, runs go on
            self.process.stdin.write(json.dumps(words).encode() + b"\n")
            self.process.stdin.flush()

    def close(self) -> None:
        if self.pid != os.getpid():  # a fork's copy
            return
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def abandon(self) -> None:
        """After a fork: the pipe is the parent's, and would be held open here."""
        assert self.process.stdin is not None
        with suppress(OSError):
            os.close(self.process.stdin.fileno())
