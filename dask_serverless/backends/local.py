"""Containers as processes of this host, forked by a nursery that has imported the libraries."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import dask_serverless
from dask_serverless.backends.base import ALL, Gone, Loss
from dask_serverless.backends.cores import cores
from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import Gone as ContainerGone
from dask_serverless.backends.messages import (
    Import,
    Invite,
    Message,
    Opening,
    Over,
    Own,
    Proven,
    Refused,
    Stop,
    Stopped,
    Trouble,
    Unable,
)
from dask_serverless.backends.own_modules import OWN, Changes
from dask_serverless.backends.processes import can_weigh, ended
from dask_serverless.backends.words import REMEMBERED_BYTES, last_lines
from dask_serverless.errors import ContainersClosed, ContainersNotStarting, SettingsError
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.paths import searched

if TYPE_CHECKING:
    from dask_serverless.signing.secret import Secret

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
CLOSE_SECONDS = 5.0
MODULE = "dask_serverless.backends.nursery_process"
PACKAGE_FOLDER = str(Path(dask_serverless.__file__).parents[1])
# Like ``python -m``, but whatever is in the working folder (a random.py of the user's) is not taken
# for a module, and the package is the one that the client has.
START = (
    "import sys; folder = sys.argv.pop(1); "
    "folder in sys.path or sys.path.insert(0, folder); "
    f"from {MODULE} import main; main()"
)

_backends: weakref.WeakSet[LocalBackend] = weakref.WeakSet()


class LocalBackend:
    same_host = True
    program = START  # of the nursery

    def __init__(
        self,
        containers: int,
        *,
        memory_bytes: int = 0,
        idle_seconds: float = 60.0,
        lease_seconds: float = 15.0,
        attempts: int = 3,
        folders: Sequence[str] = (),
        secret: Secret | None = None,
    ) -> None:
        self.containers = containers
        self.memory_bytes = memory_bytes
        self.idle_seconds = idle_seconds
        self.lease_seconds = lease_seconds
        self.attempts = attempts
        self.folders = list(folders)  # to be removed when the client is gone
        self.secret = secret
        self.lock = threading.RLock()
        self.nursery: NurseryProcess | None = None
        self.closed = False
        self.refusal: SettingsError | None = None
        self.watched: dict[str, Gone] = {}
        self.stopping: dict[str, Callable[[], None]] = {}
        self.over: list[str] = []  # runs that the nursery may forget
        self.loaded = 0  # how many modules the client had when it was last looked at
        self.known: set[str] = set()  # modules that the nursery was told of
        self.edition = 0  # of the user's own modules, likewise
        if memory_bytes and not can_weigh():
            warnings.warn(
                "This system does not say what processes use (there is no /proc): the setting "
                "memory is not enforced.",
                stacklevel=3,
            )
        _backends.add(self)

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        return self.nursery.process if self.nursery else None

    def start(self) -> None:
        with self.lock:
            self.closed = False
            if self.nursery is None:
                self._spawn()

    def _spawn(self) -> None:
        self.nursery = nursery = NurseryProcess(self.opening(), self.program)
        threading.Thread(
            target=self._listen, args=(nursery,), name="dask-serverless-local", daemon=True
        ).start()

    def opening(self) -> Opening:
        self.known = set(heavy_modules())
        own = OWN.since(0)
        self.edition = own.edition
        return Opening(
            name=f"local-{secrets.token_hex(3)}",
            containers=self.containers,
            memory_bytes=self.memory_bytes,
            idle_seconds=self.idle_seconds,
            lease_seconds=self.lease_seconds,
            attempts=self.attempts,
            folders=self.folders,
            path=searched(),
            modules=heavy_modules(),
            own=in_json(own),
            secret=self.secret.text if self.secret else "",
        )

    def invoke(self, invitation: Invitation, count: int = 1) -> None:
        with self.lock:
            if self.closed:  # while a run of another thread is under way: it hears of that
                return
            if self.refusal is not None:
                raise self.refusal
            if self.nursery is None:
                self._spawn()
            if len(sys.modules) != self.loaded:
                self.loaded = len(sys.modules)
                new = [name for name in heavy_modules() if name not in self.known]
                if new:
                    self.known.update(new)
                    self._send(Import(new))
            if invitation.early:  # a run begins: it is to run what the client would run now
                self.tell_own_modules()
            self._send(*[Invite(invitation)] * count)

    def tell_own_modules(self) -> None:
        own = OWN.since(self.edition)
        if own.edition != self.edition:
            self.edition = own.edition
            self._send(Own(in_json(own), own.reloaded))

    def watch(self, run: str, gone: Gone) -> None:
        self.watched[run] = gone

    def stop(self, run: str, settled: Callable[[], None]) -> None:
        self.stopping[run] = settled
        if not self._send(Stop(run)):
            self.settle(run)

    def settle(self, *runs: str) -> None:
        for run in runs:
            if settled := self.stopping.pop(run, None):
                settled()

    def forget(self, run: str) -> None:
        self.watched.pop(run, None)
        self.over.append(run)  # told with the next message: nothing depends on it

    def close(self) -> None:
        with self.lock:
            self.closed = True
            nursery, self.nursery = self.nursery, None
        self._tell(Loss("", "its containers were closed", error=ContainersClosed()))
        if nursery is not None:
            nursery.close()
        self.settle(*list(self.stopping))

    def _send(self, *messages: Message) -> bool:
        """Whether there is a nursery that took them."""
        with self.lock:
            if self.nursery is None:
                return False
            over, self.over = self.over, []
            told: list[Message] = [Over(over)] if over else []
            return self.nursery.lines.send(*told, *messages)

    def _listen(self, nursery: NurseryProcess) -> None:
        """Hear of containers until the nursery is gone."""
        proven = False
        for message in nursery.lines:
            proven = proven or isinstance(message, Proven)
            self.heed(message)
        with self.lock:
            died = self.nursery is nursery  # not closed by us: its containers die with it
            if died:
                self.nursery = None  # the next invitation starts another one
        if died:
            # Its connection closes before its containers are killed: one that claims a bundle in
            # between would keep it until the lease ends.
            why, words = nursery.end()
            time.sleep(LAST_WORDS_SECONDS)
            self.settle(*list(self.stopping))
            self.bereaved(Loss(ALL, why, claimed=proven, words=words))

    def heed(self, message: Message) -> None:
        match message:
            case Stopped():
                self.settle(message.run)
            case ContainerGone():
                loss = Loss(message.container, message.why, message.claimed, message.words)
                self._tell(loss, message.run)
            case Trouble():
                self._tell(Loss("", message.why, cut_off=True), message.run)
            case Unable():
                self._tell(Loss("", message.why, claimed=False), message.run)
            case Refused():
                self.refusal = SettingsError(message.setting, message.problem)
                self._tell(Loss("", message.problem, error=self.refusal))

    def bereaved(self, loss: Loss) -> None:
        """The nursery is gone, with all containers."""
        self._tell(loss)

    def _tell(self, loss: Loss, run: str = "") -> None:
        """Whoever watches this run, or any."""
        for watched, gone in list(self.watched.items()):
            if run in ("", watched):
                gone(loss)


class NurseryProcess:
    """The process that starts containers, as the client sees it."""

    def __init__(self, opening: Opening, program: str) -> None:
        ours, theirs = socket.socketpair()
        self.errors = temporary()  # until it is up: what it says of why it does not come up
        shown = standard_error()
        numbers = [str(theirs.fileno()), str(shown)]
        self.command = [sys.executable, "-P", "-c", program, PACKAGE_FOLDER, *numbers]
        try:
            self.process = subprocess.Popen(
                self.command,
                pass_fds=[theirs.fileno(), shown],
                stdin=subprocess.DEVNULL,
                stderr=self.errors,
                start_new_session=True,  # Ctrl-C is the client's business
                env=environment(opening.containers),
            )
        except OSError as error:
            ours.close()
            self.errors.close()
            raise ContainersNotStarting(self.shown_command, str(error)) from error
        finally:
            theirs.close()
            os.close(shown)
        self.lines = Lines(ours)
        self.lines.send(opening)

    @property
    def shown_command(self) -> str:
        return f"{sys.executable} -m {MODULE}"

    def end(self) -> tuple[str, str]:
        """How it ended, once its connection has: in words of ours, and in its own."""
        self.lines.close()
        try:
            self.process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        code = self.process.returncode
        how = ended(-code if code < 0 else code << 8)
        size = self.errors.seek(0, os.SEEK_END)
        self.errors.seek(max(0, size - REMEMBERED_BYTES))
        words = last_lines(self.errors.read())
        self.errors.close()
        return f"the process that starts containers ({self.shown_command}) ended: {how}", words

    def close(self) -> None:
        with suppress(OSError):
            self.lines.stream.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.lines.close()  # whoever listens has heard of the end by now
        with suppress(ValueError):  # whoever listens closes both as well
            self.errors.close()

    def abandon(self) -> None:
        """In a fork of the client: it is the parent's."""
        self.lines.close()
        self.errors.close()


def temporary() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("dask-serverless-errors"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def standard_error() -> int:
    """A descriptor that goes where the client's errors go, if there is such a place."""
    try:
        return os.dup(2)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)


def environment(containers: int) -> dict[str, str]:
    """The client's, with BLAS and OpenMP held to a container's share of the cores."""
    share = str(max(1, cores() // containers))
    env = dict(os.environ)
    for name in THREADS:
        env.setdefault(name, share)
    for name, value in MALLOC.items():
        env.setdefault(name, value)
    # pyarrow's allocator would start a thread at import, and the nursery forks from one thread only
    env.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    env["DASK_SCHEDULER"] = "synchronous"
    # An empty entry is the working folder, which may be gone: Python itself would not start then.
    # The nursery searches where the client does as soon as it is up.
    entries = [folder for folder in env.pop("PYTHONPATH", "").split(os.pathsep) if folder]
    if entries:
        env["PYTHONPATH"] = os.pathsep.join(entries)
    return env


def in_json(own: Changes) -> dict[str, list[Any]]:
    return {name: source.to_json() for name, source in own.sources.items()}


def heavy_modules() -> list[str]:
    """In the order in which the client imported them."""
    return [name for name in list(sys.modules) if name.partition(".")[0] in HEAVY]


def _forget_after_fork() -> None:
    """The nursery is the parent's; were its connection open here too, it would outlive the parent."""
    for backend in list(_backends):
        backend.lock = threading.RLock()
        if backend.nursery is not None:
            backend.nursery.abandon()


os.register_at_fork(after_in_child=_forget_after_fork)
