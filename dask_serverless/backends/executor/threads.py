"""A shell in whichever thread an executor runs it, beside others in the same process."""

from __future__ import annotations

import ctypes
import threading
from dataclasses import replace
from typing import Any

from dask_serverless.worker import machine as m
from dask_serverless.worker.shell import Interrupt, Shell


class ThreadShell(Shell):
    """Signals reach main threads only: another thread stops user code here, by an exception that
    Python raises at the next step of it. What sleeps or computes in C is stopped when it returns.
    """

    def __init__(self, *arguments: Any, at_home: bool, **keywords: Any) -> None:
        self.gate = threading.Lock()
        self.thread = threading.get_ident()
        self.claim_under_way = ""
        self.stopped = ""
        self.at_home = at_home
        super().__init__(*arguments, **keywords)

    @property
    def interruptible(self) -> str:
        return self.claim_under_way

    @interruptible.setter
    def interruptible(self, claim: str) -> None:
        with self.gate:
            self.claim_under_way = claim
            if not claim and self.stopped:  # set too late: nothing but user code may meet it
                self.stopped = ""
                set_exception(self.thread, None)

    def stop(self, claim: str = "") -> None:
        """Interrupt what runs under this claim ("": any), once: a second exception could come
        where the first one is being handled.
        """
        with self.gate:
            running = self.claim_under_way
            if running and claim in ("", running) and not self.stopped:
                self.stopped = running
                set_exception(self.thread, Interrupt)

    def claim(self, instruction: m.Claim) -> m.Event:
        """In the client's own process, working folder and import path are the client's already:
        it may have moved on to another folder meanwhile.
        """
        known = self.visit.header
        event = super().claim(instruction)
        if self.at_home and known is None and self.visit.header is not None:
            self.visit.header = replace(self.visit.header, folder="", path=())
        return event


def set_exception(thread: int, kind: type[BaseException] | None) -> None:
    """Raise it in that thread at its next step; None takes back what was not raised yet."""
    raised = ctypes.py_object(kind) if kind is not None else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)
