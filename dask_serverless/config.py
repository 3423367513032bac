"""The settings: from keywords, the environment and Dask's configuration, checked, in one place."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import dask.config
import yaml
from dask.utils import parse_bytes

from dask_serverless.errors import ServerlessError, SettingsError
from dask_serverless.store.address import parse

SECTION = "serverless"
COMPRESSIONS = ("lz4",)

Check = Callable[[Any], Any]


@dataclass(frozen=True)
class Settings:
    """What one Serverless object was told; serverless.yaml has the defaults and the meanings."""

    store: str | None
    containers: int | None
    memory: int | None
    planner: Any
    backend: Any
    inline_bytes: int
    blobs: str | None
    compression: str | None
    idle_seconds: float
    lease_seconds: float
    attempts: int
    result_limit: int | None

    @classmethod
    def gather(cls, **keywords: Any) -> Settings:
        """Keywords come first, then Dask's configuration, in which the environment comes first."""
        names = [field.name for field in fields(cls)]
        for name in keywords:
            if name not in names:
                raise TypeError(f"Serverless() has no keyword {name!r}{suggestion(name, names)}")
        configured = _section()
        for name in configured:
            if name not in names:
                raise SettingsError(f"{SECTION}.{name}", f"does not exist{suggestion(name, names)}")
        told = {
            name: _checked(f"Serverless({name}=...)", name, keywords[name]) for name in keywords
        }
        for name in names:
            if name not in told:
                setting = f"{SECTION}.{name} (or DASK_SERVERLESS__{name.upper()})"
                told[name] = _checked(setting, name, configured[name])
        return cls(**told)


def suggestion(name: str, names: Iterable[str]) -> str:
    """What was probably meant, and all that is possible."""
    names = sorted(names)
    close = difflib.get_close_matches(name, names, 1)
    guess = f"; did you mean {close[0]!r}?" if close else "."
    return f"{guess} There are {', '.join(names)}."


def load_defaults() -> None:
    """Put serverless.yaml under what Dask's configuration says already."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a first result must not wait for it
    text = Path(__file__).with_name("serverless.yaml").read_text()
    dask.config.update_defaults(yaml.load(text, loader))


def _section() -> dict[str, Any]:
    section = dask.config.get(SECTION, {})
    if not isinstance(section, Mapping):
        raise SettingsError(SECTION, f"must hold named settings, not {section!r}.")
    return {str(name).replace("-", "_"): value for name, value in section.items()}


def _checked(setting: str, name: str, value: Any) -> Any:
    try:
        return CHECKS[name](value)
    except ServerlessError:  # says all there is to say, and no password
        raise
    except (TypeError, ValueError) as error:
        raise SettingsError(setting, f"is {value!r}, but {error}.") from None


def _optional(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be a whole number from 1 on")
    return value


def _bytes(value: Any) -> int:
    problem = 'must be a number of bytes, like 1000000 or "2 GiB"'
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(problem)
    try:
        number = parse_bytes(value)
    except ValueError:
        raise ValueError(problem) from None
    if number < 0:
        raise ValueError(problem)
    return number


def _size(value: Any) -> int:
    number = _bytes(value)
    if not number:
        raise ValueError("must be more than 0 bytes (null or None: no limit)")
    return number


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise ValueError("must be a number of seconds above 0")
    return float(value)


def _url(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("must be a URL, like redis://host:6379")
    parse(value)
    return value


def _text_url(value: Any) -> str:
    if not isinstance(value, str) or "://" not in value:
        raise ValueError("must be a URL that fsspec knows, like s3://bucket/folder")
    return value


def _choice(*choices: str) -> Check:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)} (null or None: none)")
        return str(value)

    return check


def _named_or(method: str) -> Check:
    def check(value: Any) -> Any:
        if not (isinstance(value, str) and value) and not hasattr(value, method):
            raise TypeError(f"must be a name, or an object with a method {method!r}")
        return value

    return check


CHECKS: dict[str, Check] = {
    "store": _optional(_url),
    "containers": _optional(_count),
    "memory": _optional(_size),
    "planner": _named_or("plan"),
    "backend": _named_or("invoke"),
    "inline_bytes": _bytes,
    "blobs": _optional(_text_url),
    "compression": _optional(_choice(*COMPRESSIONS)),
    "idle_seconds": _seconds,
    "lease_seconds": _seconds,
    "attempts": _count,
    "result_limit": _optional(_size),
}

load_defaults()
