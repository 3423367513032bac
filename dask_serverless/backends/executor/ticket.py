"""Ticket: what travels to an executor with a call: all that a container needs to know at its start."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Ticket:
    store: str = field(repr=False)  # URL, with its password
    pool: str
    call: str
    containers: int
    idle_seconds: float
    lease_seconds: float
    pulse_seconds: float
    secret: str = field(default="", repr=False)  # what containers sign with; "": nothing is signed


@dataclass(frozen=True)
class Ended:
    """How a container came to its end, where nothing was raised."""

    why: str = ""  # there was no more work
    cut_off: bool = False  # it could not reach the store
