"""Settings as people are shown them, wherever that is: never with a password, a token or a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from dask_serverless.errors import ServerlessError
from dask_serverless.store.address import masked, parse

SECRET = {"token", "secret"}  # never shown
IMAGE = re.compile(r"[^@]*(@sha256:[0-9a-f]+)?")  # has no password, and a colon before its tag


def shown(name: str, value: Any) -> str:
    """A setting's value for people: without a password."""
    if name in SECRET and value:
        return "'***'"
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {shown(str(key), value[key])}" for key in value) + "}"
    if type(value) in (list, tuple, set) and any(isinstance(each, str | bytes) for each in value):
        opening, closing = {list: "[]", tuple: "()", set: "{}"}[type(value)]
        comma = "," if type(value) is tuple and len(value) == 1 else ""
        return opening + ", ".join(shown(name, each) for each in value) + comma + closing
    if not isinstance(value, str):
        return repr(value)
    if name == "store":
        with suppress(ServerlessError):
            return repr(parse(value).shown)
    if name == "base" and IMAGE.fullmatch(value):
        return repr(value)
    return repr(masked(value))


def shown_all(settings: Mapping[str, Any]) -> str:
    told = {n: v for n, v in settings.items() if v is not None or n not in SECRET}
    return ", ".join(f"{name}={shown(name, value)}" for name, value in told.items())
