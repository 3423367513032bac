"""When a container may be interrupted, and how: a signal comes at any moment, most are wrong."""

from __future__ import annotations


class Interrupt(BaseException):
    """Raised in the thread that runs user code, to stop it."""


class Interruption:
    """Set by the thread that works; ``ask`` is for the signal handler, which stops it."""

    def __init__(self) -> None:
        self.claim = ""  # for which user code runs just now
        self.waiting = False  # for a run that is still being planned

    def ask(self, claim: str) -> None:
        """Stop what runs for this claim ("" for any), or leave the run that one waits for."""
        if self.waiting:
            self.waiting = False
            raise Interrupt
        running = self.claim
        if running and claim in ("", running):
            self.claim = ""
            raise Interrupt
