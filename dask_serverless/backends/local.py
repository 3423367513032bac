"""Containers as processes of this host, forked by a nursery that has imported the libraries."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress

from dask_serverless.backends.base import Gone
from dask_serverless.backends.lines import Lines, Message
from dask_serverless.backends.own_modules import OWN, Changes
from dask_serverless.worker.invitation import Invitation

# Libraries that take long to import: the nursery imports what the client has of them.
HEAVY = {"numpy", "pandas", "pyarrow", "scipy", "dask", "xarray", "sklearn", "zarr", "fsspec"}
THREADS = (  # what decides how many threads BLAS and OpenMP start
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS",
)  # fmt: skip


# Arrays of some megabytes come from the kernel page by page and go back there when they are freed:
# with glibc's defaults that is most of the time of cheap array tasks (map_overlap on blocks of
# 1.3 MB: 0.40 s, of which 0.27 s in page faults; 0.12 s with these). Containers keep what they have
# until they are idle, and trim then.
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the largest that glibc takes
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(16 << 20),
}

LAST_WORDS_SECONDS = 0.05  # what killed containers have sent is in the store by then

_backends: weakref.WeakSet[LocalBackend] = weakref.WeakSet()


class LocalBackend:
    same_host = True

    def __init__(
        self,
        containers: int,
        *,
        memory_bytes: int = 0,
        idle_seconds: float = 60.0,
        folders: Sequence[str] = (),
    ) -> None:
        self.containers = containers
        self.memory_bytes = memory_bytes
        self.idle_seconds = idle_seconds
        self.folders = list(folders)  # to be removed when the client is gone
        self.lock = threading.RLock()
        self.process: subprocess.Popen[bytes] | None = None
        self.lines: Lines | None = None
        self.watched: dict[str, Gone] = {}
        self.stopping: dict[str, Callable[[], None]] = {}
        self.over: list[str] = []  # runs that the nursery may forget
        self.loaded = 0  # how many modules the client had when it was last looked at
        self.known: set[str] = set()  # modules that the nursery was told of
        self.edition = 0  # of the user's own modules, likewise
        _backends.add(self)

    def start(self) -> None:
        with self.lock:
            if self.lines is None:
                self._spawn()

    def _spawn(self) -> None:
        if self.process is not None:  # it let go of its connection: killed, or about to be gone
            self.process.kill()
            self.process.wait()
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "dask_serverless.backends.nursery", str(theirs.fileno())]
        self.process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is the client's business
            env=environment(self.containers),
        )
        theirs.close()
        self.lines = lines = Lines(ours)
        self.known = set(heavy_modules())
        own = OWN.since(0)
        self.edition = own.edition
        lines.send(
            {
                "containers": self.containers,
                "memory_bytes": self.memory_bytes,
                "idle_seconds": self.idle_seconds,
                "name": f"local-{secrets.token_hex(3)}",
                "folders": self.folders,
                "path": sys.path,
                "modules": heavy_modules(),
                "own": in_json(own),
            }
        )
        arguments = (self.process, lines)
        threading.Thread(
            target=self._listen, args=arguments, name="dask-serverless-local", daemon=True
        ).start()

    def invoke(self, invitation: Invitation, count: int = 1) -> None:
        with self.lock:
            self.start()
            if len(sys.modules) != self.loaded:
                self.loaded = len(sys.modules)
                new = [name for name in heavy_modules() if name not in self.known]
                if new:
                    self.known.update(new)
                    self._send({"do": "import", "modules": new})
            if invitation.early:  # a run begins: it is to run what the client would run now
                self.tell_own_modules()
            message = {"do": "invoke", "invitation": invitation.to_json()}
            for _ in range(count):
                self._send(message)

    def tell_own_modules(self) -> None:
        own = OWN.since(self.edition)
        if own.edition != self.edition:
            self.edition = own.edition
            self._send({"do": "own", "own": in_json(own), "reloaded": own.reloaded})

    def watch(self, run: str, gone: Gone) -> None:
        self.watched[run] = gone

    def stop(self, run: str, settled: Callable[[], None]) -> None:
        self.stopping[run] = settled
        self._send({"do": "stop", "run": run})

    def settle(self, *runs: str) -> None:
        for run in runs:
            if settled := self.stopping.pop(run, None):
                settled()

    def forget(self, run: str) -> None:
        self.watched.pop(run, None)
        self.over.append(run)  # told with the next message: nothing depends on it

    def close(self) -> None:
        with self.lock:
            process, self.process = self.process, None
            lines, self.lines = self.lines, None
        if lines is not None:
            with suppress(OSError):
                lines.stream.shutdown(socket.SHUT_RDWR)
        if process is not None:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.settle(*list(self.stopping))

    def _send(self, message: Message) -> None:
        with self.lock:
            if self.lines is not None:
                over, self.over = self.over, []
                self.lines.send({**message, "over": over})

    def _listen(self, process: subprocess.Popen[bytes], lines: Lines) -> None:
        """Hear of containers until the nursery is gone."""
        for message in lines:
            if message["is"] == "stopped":
                self.settle(message["run"])
            elif gone := self.watched.get(message["run"]):
                gone(message.get("container", ""), message["why"])
        with suppress(OSError):
            lines.close()
        with self.lock:
            died = self.lines is lines  # not closed by us: its containers die with it
            if died:
                self.lines = None  # the next invitation starts another one
        if died:
            # Its connection closes before its containers are killed: one that claims a bundle in
            # between would keep it until the lease ends.
            process.wait()
            time.sleep(LAST_WORDS_SECONDS)
            self.settle(*list(self.stopping))
            for gone in list(self.watched.values()):
                gone("*", "the process that starts containers was killed")


def environment(containers: int) -> dict[str, str]:
    """The client's, with BLAS and OpenMP held to a container's share of the cores."""
    share = str(max(1, (os.cpu_count() or 1) // containers))
    env = dict(os.environ)
    for name in THREADS:
        env.setdefault(name, share)
    for name, value in MALLOC.items():
        env.setdefault(name, value)
    # pyarrow's allocator would start a thread at import, and the nursery forks from one thread only
    env.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    env["DASK_SCHEDULER"] = "synchronous"
    return env


def in_json(own: Changes) -> Message:
    return {name: source.to_json() for name, source in own.sources.items()}


def heavy_modules() -> list[str]:
    """In the order in which the client imported them."""
    return [name for name in list(sys.modules) if name.partition(".")[0] in HEAVY]


def _forget_after_fork() -> None:
    """The nursery is the parent's; were its connection open here too, it would outlive the parent."""
    for backend in list(_backends):
        backend.lock = threading.RLock()
        if backend.lines is not None:
            backend.lines.close()


os.register_at_fork(after_in_child=_forget_after_fork)
