"""The settings: from keywords, the environment and Dask's configuration, checked, in one place."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import partial
from logging import Logger
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

import dask.config
import yaml
from dask.utils import parse_bytes, parse_timedelta

from dask_serverless.backends.platforms import own_names, platform_named, settings_of
from dask_serverless.errors import ServerlessError, SettingsError
from dask_serverless.origins import (
    PREFIX,
    SECTION,
    environment,
    origin,
    section_origin,
    warn_of_underscores,
)
from dask_serverless.store.address import masked, parse

COMPRESSIONS = ("lz4",)
ALWAYS = "always"  # of ``progress``: also where nobody may be looking
PRICES = ("gb_second", "invocation", "moved_gb")  # of planners.cost.platform.Prices
OPTIMIZATIONS = ("clustering", "delayed_io", "local_outputs", "preload", "prewarm", "task_dup")
# Other values of these need other containers.
OF_CONTAINERS = {
    "store", "memory", "backend", "idle_seconds", "docker", "http", "aws_lambda", "secret",
}  # fmt: skip

SECRET = {"token", "secret"}  # never shown
LEAST_SECRET = 16  # letters
RETRIES = "retries"  # the setting, and what Dask calls the annotation and the keyword


Check = Callable[[Any], Any]


class Wishes(NamedTuple):
    """What plans are to meet; also keywords of each compute. None: whatever the planner says."""

    sla: str | int | None = None
    deadline: float | None = None  # seconds
    budget: float | None = None

    @property
    def limits(self) -> str:
        """The limits that a plan may miss, for people."""
        told = [("deadline", self.deadline, " s"), ("budget", self.budget, "")]
        return " and ".join(f"{n}={v:g}{unit}" for n, v, unit in told if v is not None)


@dataclass(frozen=True)
class Settings:
    """What one Serverless object was told; serverless.yaml has the defaults and the meanings."""

    store: str | None
    containers: int | None
    memory: int | tuple[int, ...] | None
    planner: Any
    backend: Any
    inline_bytes: int
    blobs: str | None
    compression: str | None
    idle_seconds: float
    lease_seconds: float
    attempts: int
    retries: int
    result_limit: int | None
    sla: str | int | None
    deadline: float | None
    budget: float | None
    prices: Mapping[str, float] | None
    history: bool | str
    optimizations: tuple[str, ...]
    dashboard: Any
    events: Any
    progress: bool | str
    logs: Any
    docker: Any  # of DockerSettings
    http: Any  # of HttpSettings
    aws_lambda: Any  # of LambdaSettings
    secret: str | None

    @classmethod
    def gather(cls, **keywords: Any) -> Settings:
        """Keywords come first, then Dask's configuration, in which the environment comes first."""
        names = [field.name for field in fields(cls)]
        warn_of_underscores(names)
        configured = _section(names)
        keywords = _with_backends_own(keywords, configured, names)
        told = {
            name: _checked(f"Serverless({name}=...)", name, keywords[name]) for name in keywords
        }
        for name in names:
            if name not in told:
                told[name] = _checked("", name, configured[name])
        return cls(**told)

    @classmethod
    def options(cls, **keywords: Any) -> dict[str, Any]:
        """Other values for some of them, checked; those of the containers themselves are refused."""
        names = [field.name for field in fields(cls) if field.name not in OF_CONTAINERS]
        for name in keywords:
            if name in OF_CONTAINERS:
                raise SettingsError(
                    f"options({name}=...)",
                    f"would need other containers: make another Serverless({name}=...). What can "
                    f"be changed for the same ones is {', '.join(sorted(names))}.",
                )
            if name not in names:
                raise TypeError(f"options() has no keyword {name!r}{suggestion(name, names)}")
        return {n: _checked(f"options({n}=...)", n, value) for n, value in keywords.items()}

    def wishes(self, keywords: Mapping[str, Any]) -> Wishes:
        """For one call, of whose keywords some may be these."""
        wishes = Wishes(self.sla, self.deadline, self.budget)
        told = [name for name in Wishes._fields if name in keywords]
        if not told:
            return wishes
        checked = {n: _checked(f"compute({n}=...)", n, keywords[n]) for n in told}
        return wishes._replace(**checked)

    def retries_of(self, keywords: Mapping[str, Any]) -> int | Mapping[Any, int]:
        """For one call: how often any task may be tried again, or each key and collection."""
        asked, setting = keywords.get(RETRIES), f"compute({RETRIES}=...)"
        if asked is None:
            return self.retries
        if isinstance(asked, Mapping):
            return {each: checked_times(setting, times) for each, times in asked.items()}
        return checked_times(setting, asked)

    def __repr__(self) -> str:
        return f"Settings({shown_all(vars(self))})"


@dataclass(frozen=True)
class Description:
    """One line of serverless.yaml: what people are told of a setting."""

    name: str
    default: str
    meaning: str

    @property
    def value(self) -> Any:
        return DEFAULTS[self.name]


def suggestion(name: str, names: Iterable[str]) -> str:
    """What was probably meant, and all that is possible."""
    names = sorted(names)
    close = difflib.get_close_matches(name, names, 1)
    guess = f"; did you mean {close[0]!r}?" if close else "."
    return f"{guess} There are {', '.join(names)}."


def shown(name: str, value: Any) -> str:
    """A setting's value for people: without a password."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {shown(str(key), value[key])}" for key in value) + "}"
    if name in SECRET and value:
        return "'***'"
    if not isinstance(value, str):
        return repr(value)
    if name == "store":
        with suppress(ServerlessError):
            return repr(parse(value).shown)
    return repr(masked(value))


def shown_all(settings: Mapping[str, Any]) -> str:
    told = {n: v for n, v in settings.items() if v is not None or n not in SECRET}
    return ", ".join(f"{name}={shown(name, value)}" for name, value in told.items())


def read_defaults() -> tuple[dict[str, Any], list[Description]]:
    """The settings of serverless.yaml, whose comments are the descriptions."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a first result must not wait for it
    text = Path(__file__).with_name("serverless.yaml").read_text()
    line = r"^  (?P<name>\w+): (?P<default>.+?) +# (?P<meaning>.+)$"
    found = [Description(**match.groupdict()) for match in re.finditer(line, text, re.MULTILINE)]
    return yaml.load(text, loader)[SECTION], found


def load_defaults() -> None:
    """Put serverless.yaml under what Dask's configuration says already.

    Dask would replace a section that is none (``serverless: 3``) without a word: it stays, for
    whoever uses it to be told; whoever does not is not bothered.
    """
    said = dask.config.config.get(SECTION)
    dask.config.update_defaults({SECTION: DEFAULTS})
    if said is not None and not isinstance(said, Mapping):
        dask.config.config[SECTION] = said


def _section(names: Collection[str]) -> dict[str, Any]:
    """What is configured, with the defaults for the rest."""
    section = dask.config.get(SECTION, None)
    if section is None:  # all of it is commented out
        section = {}
    if not isinstance(section, Mapping):
        problem = f"must hold named settings, like containers: 4, not {section!r}."
        raise SettingsError(section_origin(), problem)
    told = {str(name).replace("-", "_"): value for name, value in section.items()}
    for name in told:
        if name not in names:
            raise SettingsError(*_unknown(name, names))
    return {**DEFAULTS, **told}


def _with_backends_own(
    keywords: dict[str, Any], configured: Mapping[str, Any], names: Collection[str]
) -> dict[str, Any]:
    """Keywords that only the chosen backend has (requirements=...) go into its own section."""
    backend = keywords.get("backend", configured["backend"])
    own = own_names(backend)
    for name in keywords:
        if name not in names and name not in own:
            known = [*names, *own]
            raise TypeError(f"Serverless() has no keyword {name!r}{suggestion(name, known)}")
    given = {name: value for name, value in keywords.items() if name not in names}
    others = {name: value for name, value in keywords.items() if name in names}
    if given and (platform := platform_named(backend)):
        section = others.get(platform.section, configured[platform.section])
        others[platform.section] = {**(section if isinstance(section, Mapping) else {}), **given}
    return others


def _unknown(name: str, names: Collection[str]) -> tuple[str, str]:
    if name not in environment():
        return origin(name), f"does not exist{suggestion(name, names)}"
    variables = [PREFIX + each.upper() for each in names]
    return PREFIX + name.upper(), f"does not exist{suggestion(PREFIX + name.upper(), variables)}"


def _checked(setting: str, name: str, value: Any) -> Any:
    try:
        return CHECKS[name](value)
    except ServerlessError:  # says all there is to say, and no password
        raise
    except (TypeError, ValueError) as error:
        setting = setting or origin(name)
        raise SettingsError(setting, f"is {shown(name, value)}, but {error}.") from None


def checked_times(setting: str, value: Any) -> int:
    """How often a task may be tried again, wherever that was said."""
    times: int = _checked(setting, RETRIES, value)
    return times


def _optional(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be a whole number from 1 on")
    return value


def _times(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("must be a whole number from 0 on")
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
    except (ValueError, KeyError):
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
        raise ValueError("must be a URL that fsspec knows, like s3://bucket/folder")
    return value


def _secret(value: Any) -> str:
    problem = f"must be text of {LEAST_SECRET} letters or more, as `openssl rand -hex 32` makes it"
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
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise TypeError(problem)
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
    if set(named) - set(OPTIMIZATIONS):
        raise ValueError(problem)
    return tuple(name for name in OPTIMIZATIONS if name in named)


def _dashboard(value: Any) -> Any:
    if value is not None and value is not False:
        from dask_serverless.dashboard.access import Address

        Address.parse(value)
    return value


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
        return value

    return check


CHECKS: dict[str, Check] = {
    "store": _optional(_url),
    "containers": _optional(_count),
    "memory": _optional(_sizes),
    "planner": _named_or("plan"),
    "backend": _named_or("invoke", "submit"),
    "inline_bytes": _bytes,
    "blobs": _optional(_text_url),
    "compression": _optional(_choice(*COMPRESSIONS)),
    "idle_seconds": _seconds,
    "lease_seconds": _seconds,
    "attempts": _count,
    "retries": _times,
    "result_limit": _optional(_size),
    "sla": _optional(_sla),
    "deadline": _optional(_duration),
    "budget": _optional(_money),
    "prices": _optional(_prices),
    "history": _history,
    "optimizations": _optimizations,
    "dashboard": _dashboard,
    "events": _events,
    "progress": _progress,
    "logs": _logs,
    "docker": _optional(partial(settings_of, "docker")),
    "http": _optional(partial(settings_of, "http")),
    "aws_lambda": _optional(partial(settings_of, "aws_lambda")),
    "secret": _optional(_secret),
}

DEFAULTS, DESCRIPTIONS = read_defaults()
load_defaults()
