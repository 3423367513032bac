"""The first nursery of a container: forked, before there are threads and secrets.

To start Python and import the same libraries once more would be a third of a cold start, and more
where a container has a part of a core only. A nursery that comes after it is spawned.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import traceback

from dask_serverless.backends.processes import keep_memory
from dask_serverless.backends.spawned import environment, standard_error
from dask_serverless.backends.unnamed import unnamed_file
from worker_container.settings import PREFIX

LOOKING_SECONDS = 0.01


class Forked:
    """A child process, as subprocess would have it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else was told
                self.returncode = 0
            else:
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        begun = time.monotonic()
        while (code := self.poll()) is None:
            if timeout is not None and time.monotonic() - begun > timeout:
                raise subprocess.TimeoutExpired("nursery", timeout)
            time.sleep(LOOKING_SECONDS)
        return code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


class Newborn:
    """It has imported what it needs, and waits to be told who it is to be."""

    def __init__(self) -> None:
        os.environ.update(environment(1))  # NumPy looks at it when it is imported
        from dask_serverless.backends import nursery_process

        ours, theirs = socket.socketpair()
        self.stream = ours
        self.errors = unnamed_file("errors")
        shown = standard_error()
        pid = os.fork()
        if not pid:
            code = 1
            try:
                ours.close()
                os.setsid()
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(self.errors.fileno(), 2)
                for name in [name for name in os.environ if name.startswith(PREFIX)]:
                    del os.environ[name]
                keep_memory()
                nursery_process.live(theirs, shown)
                code = 0
            except SystemExit:
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        theirs.close()
        os.close(shown)
        self.process = Forked(pid)

    def __repr__(self) -> str:
        return f"<nursery {self.process.pid}>"
