"""What values the settings may have: a check for each, which gives the value as it is used."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from logging import Logger
from numbers import Integral, Real
from typing import Any

from dask.utils import parse_bytes, parse_timedelta

from dask_serverless.backends.platforms import settings_of
from dask_serverless.blobs import schemes
from dask_serverless.store.address import parse

COMPRESSIONS = ("lz4",)
ALWAYS = "always"  # of ``progress``: also where nobody may be looking
PRICES = ("gb_second", "invocation", "moved_gb")  # of planners.cost.platform.Prices
OPTIMIZATIONS = (
    "clustering", "delayed_io", "local_outputs", "preload", "prewarm", "replanning", "streaming",
    "task_dup",
)  # fmt: skip
SWITCHES = ("yes", "no", "on", "off", "none", "null")  # what people write for true and false
LEAST_SECRET = 16  # letters
MOST_CONTAINERS = 100_000  # each has a place of its own in the client's memory
MOST_TIMES = 1_000_000  # of trying something again: scripts in the store count exactly

Check = Callable[[Any], Any]


def _optional(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _whole(least: int, most: int) -> Check:
    problem = f"must be a whole number from {least} to {most:,}"

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise TypeError(problem)
        if not least <= int(value) <= most:
            raise ValueError(problem)
        return int(value)

    return check


def _bytes(value: Any) -> int:
    problem = 'must be a number of bytes, like 1000000 or "2 GiB"'
    if isinstance(value, bool) or not isinstance(value, Integral | float | str):
        raise TypeError(problem)
    if isinstance(value, str) and not value.strip():  # of an empty variable; Dask reads it as 1
        raise ValueError(problem)
    try:
        number = parse_bytes(value) if isinstance(value, str) else int(value)
    except (ValueError, TypeError, OverflowError):  # nan, a NumPy timedelta, infinity
        raise ValueError(problem) from None
    if number < 0:
        raise ValueError(problem)
    return number


def _size(value: Any) -> int:
    number = _bytes(value)
    if not number:
        raise ValueError("must be more than 0 bytes (null or None: no limit)")
    return number


def _sizes(value: Any) -> int | tuple[int, ...]:
    """One limit, or several: containers come in these sizes."""
    if not isinstance(value, list | tuple):
        return _size(value)
    sizes = sorted({_size(each) for each in value})
    if not sizes:
        raise ValueError("must name a size (null or None: no limit)")
    return sizes[0] if len(sizes) == 1 else tuple(sizes)


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise ValueError("must be a number of seconds above 0")
    return float(value)


def _sla(value: Any) -> str | int:
    problem = 'must be "average" or a whole percentile from 1 to 100'
    if value == "average":
        return "average"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(problem)
    if not 1 <= int(value) <= 100:
        raise ValueError(problem)
    return int(value)


def _duration(value: Any) -> float:
    problem = 'must be a time above 0, in seconds or with a unit ("30s", "5 minutes")'
    if isinstance(value, bool) or not isinstance(value, Real | str | timedelta):
        raise TypeError(problem)
    try:
        read = value if isinstance(value, Real) else parse_timedelta(value)
        number = float(read)
    except (ValueError, TypeError, LookupError, OverflowError):  # "", a NumPy timedelta, 1e400s
        raise ValueError(problem) from None
    if not 0 < number < math.inf:
        raise ValueError(problem)
    return number


def _money(value: Any) -> float:
    problem = "must be an amount above 0"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(problem)
    if not 0 < float(value) < math.inf:
        raise ValueError(problem)
    return float(value)


def _prices(value: Any) -> Mapping[str, float]:
    problem = f"must be amounts from 0 on, named {', '.join(PRICES)}"
    if not isinstance(value, Mapping):
        raise TypeError(problem)
    told = {str(name).replace("-", "_"): amount for name, amount in value.items()}
    for name, amount in told.items():
        if name not in PRICES:
            raise ValueError(f"{problem}; there is no {name!r}")
        number = isinstance(amount, Real) and not isinstance(amount, bool)
        if not number or not 0 <= float(amount) < math.inf:
            raise ValueError(f"{problem}; {name} is {amount!r}")
    return {name: float(amount) for name, amount in told.items()}


def _url(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("must be a URL, like redis://host:6379")
    parse(value)
    return value


def _text_url(value: Any) -> str:
    if not isinstance(value, str) or "://" not in value:
        raise ValueError(f"must be a URL that fsspec knows, {schemes.INSTEAD}")
    if not value.rpartition("://")[2].strip("/"):
        raise ValueError(f"must name a place there, {schemes.INSTEAD}")
    if problem := schemes.refused(value):
        raise ValueError(problem)
    return value


def _secret(value: Any) -> str:
    problem = f"must be text of {LEAST_SECRET} letters or more, as `openssl rand -hex 32` makes it"
    if isinstance(value, Real) and not isinstance(value, bool):
        raise TypeError(f"{problem}: write what is a number between quotes")
    if not isinstance(value, str):
        raise TypeError(problem)
    if len(value) < LEAST_SECRET:
        raise ValueError(problem)
    return value


def _choice(*choices: str) -> Check:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)} (null or None: none)")
        return str(value)

    return check


def _history(value: Any) -> bool | str:
    if isinstance(value, bool):
        return value
    problem = "must be true, false or the path of a file"
    if not isinstance(value, str | os.PathLike) or not str(value).strip():
        raise TypeError(problem)
    if isinstance(value, str) and value.lower() in SWITCHES:  # a file called "no" is not meant
        raise ValueError(problem)
    if "://" in str(value):
        raise ValueError(f"{problem}; in a named store it is kept without being told")
    path = os.path.abspath(os.path.expanduser(value))
    if os.path.isdir(path):
        raise ValueError(f"is a folder; it {problem}")
    return str(path)


def _optimizations(value: Any) -> tuple[str, ...]:
    """Names, each once, in the order in which the messages list them."""
    named = value.replace(",", " ").split() if isinstance(value, str) else value
    if named in (["all"], True, None):
        return OPTIMIZATIONS
    if named in (["none"], False):
        return ()
    problem = f"must be all, none or some of {', '.join(OPTIMIZATIONS)}"
    if not isinstance(named, list | tuple | set | frozenset):
        raise TypeError(problem)
    if any(name not in OPTIMIZATIONS for name in named) or (isinstance(value, str) and not named):
        raise ValueError(problem)
    return tuple(name for name in OPTIMIZATIONS if name in named)


def _dashboard(value: Any) -> Any:
    if value is not None and value is not False:
        from dask_serverless.dashboard.access import Address

        Address.parse(value)
    return value


def _origins(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    from dask_serverless.dashboard.access import checked_origins

    return checked_origins(value)


def _link(value: Any) -> str:
    from dask_serverless.dashboard.access import checked_link

    return checked_link(value)


def _events(value: Any) -> Any:
    from dask_serverless.worker.rhythm import rhythm_of

    rhythm_of(value)
    return value


def _progress(value: Any) -> Any:
    if isinstance(value, bool) or value == ALWAYS:
        return value
    raise ValueError(f'must be true, false or "{ALWAYS}"')


def _logs(value: Any) -> Any:
    known = isinstance(value, bool) or value is None or value == "logging" or callable(value)
    if not known and not isinstance(value, Logger):
        raise TypeError('must be true, false, "logging", a logger, or a function that takes a line')
    return value


def _named_or(*methods: str) -> Check:
    def check(value: Any) -> Any:
        if not (isinstance(value, str) and value) and not any(hasattr(value, m) for m in methods):
            told = " or ".join(map(repr, methods))
            raise TypeError(f"must be a name, or an object with a method {told}")
        if isinstance(value, type):
            raise TypeError(f"must be an object, not a class: {value.__name__}(...)")
        return value

    return check


CHECKS: dict[str, Check] = {
    "store": _optional(_url),
    "containers": _optional(_whole(1, MOST_CONTAINERS)),
    "memory": _optional(_sizes),
    "planner": _named_or("plan"),
    "backend": _named_or("invoke", "submit"),
    "inline_bytes": _bytes,
    "blobs": _optional(_text_url),
    "compression": _optional(_choice(*COMPRESSIONS)),
    "idle_seconds": _seconds,
    "lease_seconds": _seconds,
    "attempts": _whole(1, MOST_TIMES),
    "retries": _whole(0, MOST_TIMES),
    "result_limit": _optional(_size),
    "sla": _optional(_sla),
    "deadline": _optional(_duration),
    "budget": _optional(_money),
    "prices": _optional(_prices),
    "history": _history,
    "optimizations": _optimizations,
    "dashboard": _dashboard,
    "allow_origin": _origins,
    "dashboard_link": _optional(_link),
    "events": _events,
    "progress": _progress,
    "logs": _logs,
    "docker": _optional(partial(settings_of, "docker")),
    "http": _optional(partial(settings_of, "http")),
    "aws_lambda": _optional(partial(settings_of, "aws_lambda")),
    "secret": _optional(_secret),
}
