"""Settings as people are shown them, wherever that is: never with a password, a token or a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from dask_serverless.errors import ServerlessError
from dask_serverless.store.address import masked, parse

SECRET = {"token", "secret"}  # never shown
AROUND = {"list": "[]", "tuple": "()", "set": "{}"}
IMAGE = re.compile(r"[^@]*(@sha256:[0-9a-f]+)?")  # has no password, and a colon before its tag


def shown(name: str, value: Any) -> str:
    """A setting's value for people: without a password."""
    if name in SECRET and value:
        return "'***'"
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {shown(str(key), value[key])}" for key in value) + "}"
    if value and (around := AROUND.get(type(value).__name__)):
        comma = "," if around == "()" and len(value) == 1 else ""
        return around[0] + ", ".join(shown(name, each) for each in value) + comma + around[1]
    if not isinstance(value, str):
        return repr(value)
    if name == "store":
        with suppress(ServerlessError):
            return repr(parse(value).shown)
    if name == "base" and IMAGE.fullmatch(value):
        return repr(value)
    return repr(masked(value))


class Told(dict[str, Any]):
    """Settings as they were told: whoever prints them, or what holds them, sees no secret."""

    def __repr__(self) -> str:
        return shown("", self)


def shown_all(settings: Mapping[str, Any]) -> str:
    told = {n: v for n, v in settings.items() if v is not None or n not in SECRET}
    return ", ".join(f"{name}={shown(name, value)}" for name, value in told.items())
