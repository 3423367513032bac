"""What one container is told when it starts: by its environment, or by its owner."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import IO, Any

from dask_serverless.errors import SettingsError
from dask_serverless.signing.secret import Secret

PREFIX = "WORKER_"
LEAST_TOKEN = 16  # letters


@dataclass(frozen=True)
class ContainerSettings:
    """Each is a variable of the environment too: WORKER_TOKEN, WORKER_PORT, …"""

    token: str = field(repr=False)  # what whoever invites this container has to know
    name: str = field(default_factory=lambda: f"container-{secrets.token_hex(3)}")
    host: str = "0.0.0.0"  # of the container's own network
    port: int = 8080
    idle_seconds: float = 60.0  # until its worker process gives its memory back
    lease_seconds: float = 15.0
    attempts: int = 3
    grace_seconds: float = 8.0  # for the bundle under way, when the platform ends the container
    modules: tuple[str, ...] = ()  # to be imported before the first invitation
    invite_url: str = ""  # where the platform takes requests, for others to be invited
    store: str = field(default="", repr=False)  # its URL, for invitations that do not name one
    memory_mb: int = 0  # what the platform gives it; 0: what its group of processes may use
    request_seconds: float = 0.0  # the platform's limit for a request; 0: none
    secret: str = field(default="", repr=False)  # the client's, if it has set one; "": the token
    signed: bool = True  # False: the store is the owner's own, and nothing in it is signed

    def __post_init__(self) -> None:
        if len(self.token) < LEAST_TOKEN:
            raise SettingsError(
                PREFIX + "TOKEN",
                f"has {len(self.token)} letters, but must have {LEAST_TOKEN} or more: whoever "
                "knows it may run code here. Make one with `openssl rand -hex 32`.",
            )
        if not 0 <= self.port < 1 << 16:
            raise SettingsError(PREFIX + "PORT", f"is {self.port}, but must be a port's number.")

    @property
    def shared(self) -> Secret:
        """With whoever invites."""
        return Secret(self.secret or self.token)

    @property
    def signing(self) -> Secret | None:
        """What is in the store is signed with this, if it is."""
        return self.shared if self.signed else None

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> ContainerSettings:
        """PORT is what most platforms set."""
        told: dict[str, Any] = {"token": "", "port": environment.get("PORT", "8080")}
        for name in NAMES:
            if (value := environment.get(PREFIX + name.upper())) is not None:
                told[name] = value
        if "modules" in told:
            told["modules"] = tuple(told["modules"].split())
        for name, kind in (
            ("port", int),
            ("attempts", int),
            ("memory_mb", int),
            *((n, float) for n in SECONDS),
        ):
            if name in told:
                told[name] = number(name, kind, told[name])
        return ContainerSettings(**told)

    @staticmethod
    def from_owner(owner: IO[bytes]) -> ContainerSettings:
        """The first line that whoever started this container sends."""
        told = json.loads(owner.readline() or b"{}")
        told["modules"] = tuple(told.get("modules", ()))
        return ContainerSettings(**{"token": "", **told})


BY_OWNER = {"signed"}  # an environment cannot say that
NAMES = [each.name for each in fields(ContainerSettings) if each.name not in BY_OWNER]
SECONDS = [name for name in NAMES if name.endswith("_seconds")]


def number(name: str, kind: type[int] | type[float], value: str) -> float:
    try:
        found = kind(value)
    except ValueError:
        found = -1
    if found < 0:
        raise SettingsError(PREFIX + name.upper(), f"is {value!r}, but must be a number.")
    return found
