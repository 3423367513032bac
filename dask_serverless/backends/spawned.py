"""The nursery's process, as the client starts and ends it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

import dask_serverless
from dask_serverless.backends.cores import cores
from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import Opening
from dask_serverless.backends.processes import MALLOC, ended
from dask_serverless.backends.unnamed import unnamed_file
from dask_serverless.backends.words import REMEMBERED_BYTES, last_lines
from dask_serverless.errors import ContainersNotStarting

THREADS = (  # what decides how many threads BLAS and OpenMP start
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS",
)  # fmt: skip

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


SHOWN_COMMAND = f"{sys.executable} -m {MODULE}"


class Process(Protocol):
    """As subprocess has it."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def kill(self) -> None: ...


class Born(Protocol):
    """A process that waits to be told whose nursery it is to be."""

    @property
    def process(self) -> Process: ...

    @property
    def stream(self) -> socket.socket: ...

    @property
    def errors(self) -> IO[bytes]:
        """Until it is up: what it says of why it does not come up."""


class Spawned:
    """By a command, with an environment of its own."""

    def __init__(self, program: str, containers: int) -> None:
        self.stream, theirs = socket.socketpair()
        self.errors = unnamed_file("errors")
        shown = standard_error()
        numbers = [str(theirs.fileno()), str(shown)]
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", program, PACKAGE_FOLDER, *numbers],
                pass_fds=[theirs.fileno(), shown],
                stdin=subprocess.DEVNULL,
                stderr=self.errors,
                start_new_session=True,  # Ctrl-C is the client's business
                env=environment(containers),
            )
        except OSError as error:
            self.stream.close()
            self.errors.close()
            raise ContainersNotStarting(SHOWN_COMMAND, str(error)) from error
        finally:
            theirs.close()
            os.close(shown)


class NurseryProcess:
    """The process that starts containers, as the client sees it."""

    def __init__(self, opening: Opening, born: Born) -> None:
        self.process = born.process
        self.errors = born.errors
        self.lines = Lines(born.stream)
        self.lines.send(opening)

    def end(self) -> tuple[str, str]:
        """How it ended, once its connection has: in words of ours, and in its own."""
        self.lines.close()
        try:
            self.process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        code = self.process.wait()
        how = ended(-code if code < 0 else code << 8)
        size = self.errors.seek(0, os.SEEK_END)
        self.errors.seek(max(0, size - REMEMBERED_BYTES))
        words = last_lines(self.errors.read())
        self.errors.close()
        return f"the process that starts containers ({SHOWN_COMMAND}) ended: {how}", words

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
    for name, (_, size) in MALLOC.items():
        env.setdefault(name, str(size))
    # pyarrow's allocator would start a thread at import, and the nursery forks from one thread only
    env.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    env["DASK_SCHEDULER"] = "synchronous"
    # An empty entry is the working folder, which may be gone: Python itself would not start then.
    # The nursery searches where the client does as soon as it is up.
    entries = [folder for folder in env.pop("PYTHONPATH", "").split(os.pathsep) if folder]
    if entries:
        env["PYTHONPATH"] = os.pathsep.join(entries)
    return env
