"""What one container is told when it starts: by its environment, or by its owner."""

from __future__ import annotations

import difflib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib.util import find_spec
from typing import IO, Any, NoReturn

from dask_serverless.backends.http.settings import HttpSettings
from dask_serverless.backends.http.tokens import problem_of
from dask_serverless.errors import SettingsError, StoreUrlInvalid
from dask_serverless.showing import shown
from dask_serverless.signing.secret import Secret
from dask_serverless.store.address import parse
from dask_serverless.values import LEAST_SECRET

PREFIX = "WORKER_"
OWNED = "owned"  # "1": the settings come over standard input, whose end is ours
MOST_SECONDS = 1e9
NEAR = 0.75  # how alike a variable's name and a setting's are, where it is mistyped


@dataclass(frozen=True)
class ContainerSettings:
    """Each is a variable of the environment too: WORKER_TOKEN, WORKER_PORT, …"""

    token: str = field(repr=False)  # what whoever invites this container has to know
    name: str = field(default_factory=lambda: f"container-{secrets.token_hex(3)}")
    host: str = "127.0.0.1"  # where it listens; in an image the Dockerfile says 0.0.0.0
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
        if problem := problem_of(self.token):
            refuse(
                "token",
                f"{problem}: whoever knows it may run code here. Make one with `openssl rand -hex 32`",
            )
        if self.secret and len(self.secret) < LEAST_SECRET:
            least = f"fewer than {LEAST_SECRET}. It must be the client's setting secret"
            refuse("secret", f"has {len(self.secret)} letters, {least}")
        if not self.host:  # a socket would take that for all addresses
            refuse("host", "is empty, but must be an address of this machine's, or 0.0.0.0 for all")
        if not 0 <= self.port < 1 << 16:
            refuse("port", f"is {self.port}, but must be a port's number")
        for name in ("attempts", "idle_seconds", "lease_seconds"):
            if not 0 < getattr(self, name) < MOST_SECONDS:
                refuse(name, f"is {getattr(self, name)}, but must be a number above 0")
        for name in ("memory_mb", "grace_seconds", "request_seconds"):
            if not 0 <= getattr(self, name) < MOST_SECONDS:
                refuse(name, f"is {getattr(self, name)}, but must be a number from 0 on")
        if self.store:
            check_store(self.store)
        self.platform  # noqa: B018 - raises where it is none

    @cached_property
    def platform(self) -> HttpSettings | None:
        """Where others are invited; None: whoever owns this container does that."""
        if not self.invite_url:
            return None
        try:
            return HttpSettings(self.invite_url, self.token)
        except SettingsError as error:
            raise SettingsError(PREFIX + "INVITE_URL", error.problem) from None

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
        check_names(environment)
        told: dict[str, Any] = {"token": ""}
        if PREFIX + "PORT" not in environment and "PORT" in environment:
            told["port"] = environment["PORT"]
        for name in NAMES:
            if (value := environment.get(PREFIX + name.upper())) is not None:
                told[name] = value
        if "modules" in told:
            told["modules"] = installed(told["modules"].split())
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


def refuse(name: str, problem: str) -> NoReturn:
    raise SettingsError(PREFIX + name.upper(), f"{problem}.")


def number(name: str, kind: type[int] | type[float], value: str) -> float:
    try:
        return kind(value)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        refuse(name, f"is {shown(name, value)}, but must be {what}")


def check_names(environment: Mapping[str, str]) -> None:
    """Others may have variables that begin so; what looks like one of ours is meant to be one."""
    names = [*NAMES, OWNED]
    for variable in environment:
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or name in names:
            continue
        if meant := difflib.get_close_matches(name, names, 1, NEAR):
            refuse(name, f"does not exist; did you mean {PREFIX}{meant[0].upper()}?")


def check_store(url: str) -> None:
    try:
        parse(url)
    except StoreUrlInvalid as error:
        like = "It must be like rediss://user:password@host:6379"
        refuse("store", f"is {error.url!r}, which {error.problem}. {like}")


def installed(modules: list[str]) -> tuple[str, ...]:
    """Nobody else would say that one is not: it is the nursery that imports them, when it can."""
    for module in modules:
        try:
            found = find_spec(module.partition(".")[0])
        except (ImportError, ValueError):
            found = None
        if found is None:
            refuse("modules", f"names {module}, which is not installed here")
    return tuple(modules)
