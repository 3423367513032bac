"""Work in whichever thread an executor has for it, beside other containers of the same process."""

from __future__ import annotations

import ctypes
import threading
from contextlib import suppress
from dataclasses import replace

from dask_serverless.worker.interruption import Interrupt, Interruption
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.known_run import KnownRun
from dask_serverless.worker.shell import Shell


class ThreadInterruption(Interruption):
    """Signals reach main threads only: another thread stops user code here, by an exception that
    Python raises at the next step of it. What sleeps or computes in C is stopped when it returns.
    """

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.thread = threading.get_ident()
        self.running = ""
        self.stopped = False
        super().__init__()

    @property
    def claim(self) -> str:
        return self.running

    @claim.setter
    def claim(self, claim: str) -> None:
        with self.gate:
            self.running = claim
            if not claim and self.stopped:  # perhaps too late: nothing but user code may meet it
                self.stopped = False
                meet_exception(self.thread)

    def ask(self, claim: str) -> None:
        """Once for each attempt: a second exception could come where the first one is handled."""
        with self.gate:
            if self.running and claim in ("", self.running) and not self.stopped:
                self.stopped = True
                set_exception(self.thread, Interrupt)


def set_exception(thread: int, kind: type[BaseException]) -> None:
    """Raise it in that thread at its next step."""
    raised = ctypes.py_object(kind)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)


def meet_exception(thread: int) -> None:
    """In that thread itself: whether or not it has been raised already, it will not be any more.

    To take it back instead would leave all threads of the process looking for it for ever (before
    Python 3.13): they get slower, and those that are traced hang.
    """
    with suppress(Interrupt):
        set_exception(thread, Interrupt)
        while True:
            pass


class ShellAtHome(Shell):
    """In the client's own process, working folder and import path are the client's already: it may
    have moved on to another folder meanwhile.
    """

    def new(self, invitation: Invitation) -> KnownRun:
        known = super().new(invitation)
        run = self.runs[invitation.run] = RunAtHome(known.coordination, known.new_voice)
        return run


class RunAtHome(KnownRun):
    def introduced(self, header: bytes) -> None:
        super().introduced(header)
        if self.header is not None:
            self.header = replace(self.header, folder="", path=())
