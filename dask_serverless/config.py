"""The settings: from keywords, the environment and Dask's configuration, checked, in one place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import dask.config
import yaml

from dask_serverless.backends.platforms import (
    PLATFORMS,
    SECTIONS,
    own_names,
    platform_named,
    settings_class,
)
from dask_serverless.errors import ServerlessError, SettingsError
from dask_serverless.origins import (
    SECTION,
    environment,
    origin,
    section_origin,
    variable,
    warn_of_underscores,
    written,
)
from dask_serverless.showing import shown, shown_all
from dask_serverless.values import CHECKS

# Other values of these need other containers.
OF_CONTAINERS = {
    "store", "memory", "backend", "idle_seconds", "docker", "http", "aws_lambda", "secret",
}  # fmt: skip
OF_DASHBOARD = {"dashboard", "allow_origin", "dashboard_link"}  # there is one, for all computes

# Frames that Dask leaves out of what its users are shown: what a task raised passes through these.
SHORTEN = "admin.traceback.shorten"
OURS = r"dask_serverless[\\\/](serverless|client[\\\/]failed)\.py"

TEXTS = ("secret", "http.token")  # of digits alone, they are numbers to Dask
NO_GOAL = {"sla": "average", "deadline": inf, "budget": inf}
RETRIES = "retries"  # the setting, and what Dask calls the annotation and the keyword


class Wishes(NamedTuple):
    """What plans are to meet; also keywords of each compute. None: whatever the planner says.

    What ``NO_GOAL`` has is none, whatever the planner says.
    """

    sla: str | int | None = None
    deadline: float | None = None  # seconds
    budget: float | None = None

    @property
    def limited(self) -> bool:
        """Whether a plan may miss any of them."""
        return bool(self.limits)

    @property
    def limits(self) -> str:
        """The limits that a plan may miss, for people."""
        told = [("deadline", self.deadline, " s"), ("budget", self.budget, "")]
        return " and ".join(f"{n}={v:g}{unit}" for n, v, unit in told if v not in (None, inf))


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
    allow_origin: tuple[str, ...]
    dashboard_link: str | None
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
        warn_of_underscores(lambda: [*names, *_own()])
        configured = _section(names)
        given = _with_backends_own(keywords, configured, names)
        told = {
            name: _keyword(f"Serverless({name}=...)", name, given[name], keywords) for name in given
        }
        for name in names:
            if name not in told:
                told[name] = _checked("", name, configured[name])
        return cls(**told)

    @classmethod
    def options(cls, **keywords: Any) -> dict[str, Any]:
        """Other values for some of them, checked; those of the containers themselves are refused."""
        fixed = OF_CONTAINERS | OF_DASHBOARD
        names = [field.name for field in fields(cls) if field.name not in fixed]
        for name in keywords:
            if name in fixed:
                needed = "other containers" if name in OF_CONTAINERS else "another dashboard"
                raise SettingsError(
                    f"options({name}=...)",
                    f"would need {needed}: make another Serverless({name}=...). What can "
                    f"be changed for the same ones is {', '.join(sorted(names))}.",
                )
            if name not in names:
                raise TypeError(f"options() has no keyword {name!r}{suggestion(name, names)}")
        return {n: _keyword(f"options({n}=...)", n, value) for n, value in keywords.items()}

    def wishes(self, keywords: Mapping[str, Any], call: str = "compute") -> Wishes:
        """For one call, of whose keywords some may be these."""
        wishes = Wishes(self.sla, self.deadline, self.budget)
        told = keywords.keys() & Wishes._fields
        if not told:
            return wishes
        checked = {n: _keyword(f"{call}({n}=...)", n, keywords[n]) for n in told}
        return wishes._replace(**checked)

    def retries_of(
        self, keywords: Mapping[str, Any], annotations: Mapping[str, Any]
    ) -> int | Mapping[Any, int] | Callable[[Any], Any]:
        """For one call: how often any task may be tried again, or each key and collection.

        The call's keyword comes before what is annotated around the call, where a function may
        tell it of each key.
        """
        asked, setting = keywords.get(RETRIES), f"compute({RETRIES}=...)"
        if asked is None:
            asked, setting = annotations.get(RETRIES), f"dask.annotate({RETRIES}=...)"
        if asked is None:
            return self.retries
        if isinstance(asked, Mapping):
            return {each: checked_times(setting, times) for each, times in asked.items()}
        if callable(asked) and RETRIES not in keywords:
            return asked  # type: ignore[no-any-return]
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


def shorten_tracebacks() -> None:
    """Where Dask leaves its own frames out, ours go, too. Who wants them all says shorten: []."""
    patterns = dask.config.get(SHORTEN, None)
    if isinstance(patterns, list) and patterns and OURS not in patterns:
        dask.config.set({SHORTEN: [*patterns, OURS]})


def _section(names: Collection[str]) -> dict[str, Any]:
    """What is configured, with the defaults for the rest."""
    section = dask.config.get(SECTION, None)
    if section is None:  # all of it is commented out
        section = {}
    if not isinstance(section, Mapping):
        problem = f"must hold named settings, like containers: 4, not {shown(SECTION, section)}."
        raise SettingsError(section_origin(), problem)
    told = {str(name).replace("-", "_"): value for name, value in section.items()}
    for name in told:
        if name not in names:
            raise SettingsError(*_unknown(name, names))
    return _as_written({**DEFAULTS, **told})


def _as_written(told: dict[str, Any]) -> dict[str, Any]:
    """A token of digits alone is a number to Dask; what its variable has is what is meant."""
    for name in TEXTS:
        section, _, own = name.rpartition(".")
        place = told.get(section) if section else told
        if not isinstance(place, Mapping) or isinstance(value := place.get(own), str | None):
            continue
        if (text := written(name, value)) is not None:
            told.update({section: {**place, own: text}} if section else {own: text})
    return told


def _with_backends_own(
    keywords: dict[str, Any], configured: Mapping[str, Any], names: Collection[str]
) -> dict[str, Any]:
    """Keywords that only the chosen backend has (requirements=...) go into its own section."""
    backend = keywords.get("backend", configured["backend"])
    own = own_names(backend)
    for name in keywords:
        if name not in names and name not in own:
            whose = [each for each in PLATFORMS if name in own_names(each)]
            if whose:
                there = " or ".join(f"backend={each!r}" for each in whose)
                raise TypeError(f"Serverless() has the keyword {name!r} only with {there}.")
            known = [*names, *own]
            raise TypeError(f"Serverless() has no keyword {name!r}{suggestion(name, known)}")
    given = {name: value for name, value in keywords.items() if name not in names}
    others = {name: value for name, value in keywords.items() if name in names}
    if given and (platform := platform_named(backend)):
        section = others.get(platform.section, configured[platform.section])
        if isinstance(section, settings_class(platform)):
            section = vars(section)
        if section is None or isinstance(section, Mapping):  # else it is refused as what it is
            others[platform.section] = {**(section or {}), **given}
    return others


def _own() -> list[str]:
    """What backends have of their own, by the sections that it belongs into: "docker.cpus"."""
    return [f"{PLATFORMS[each].section}.{name}" for each in PLATFORMS for name in own_names(each)]


def _unknown(name: str, names: Collection[str]) -> tuple[str, str]:
    """What does not exist, and what was meant: maybe one of those that only a backend has."""
    told = environment().get(name)
    spelled = variable if told else str
    own = _own()
    meant = [each for each in own if each.partition(".")[2] == name]
    words = {each.replace(".", "__"): each for each in (*names, *own)}
    meant = meant or [words[each] for each in difflib.get_close_matches(name, words, 1)]
    guess = f"; did you mean {' or '.join(repr(spelled(each)) for each in meant)}?"
    there = ", ".join(sorted(map(spelled, names)))
    return told or origin(name), f"does not exist{guess if meant else '.'} There are {there}."


def _keyword(setting: str, name: str, value: Any, keywords: Collection[str] = ()) -> Any:
    """None is no goal: said in a call, it takes back what a planner or another place has said."""
    if value is None and name in NO_GOAL:
        return NO_GOAL[name]
    return _checked(setting, name, value, keywords)


def _checked(setting: str, name: str, value: Any, keywords: Collection[str] = ()) -> Any:
    """``keywords``: those of the call, among which may be some that only a backend has."""
    try:
        return CHECKS[name](value)
    except ServerlessError as error:  # says all there is to say, and no password
        if name in SECTIONS and type(error) is SettingsError:
            raise SettingsError(_place(error.setting, keywords), error.problem) from None
        raise
    except (TypeError, ValueError) as error:
        setting = setting or origin(name)
        raise SettingsError(setting, f"is {shown(name, value)}, but {error}.") from None


def _place(setting: str, keywords: Collection[str]) -> str:
    """Where that is told which a backend has of its own: "docker", "docker.cpus"."""
    section, _, own = setting.partition(".")
    if own in keywords:
        return f"Serverless({own}=...)"
    if section in keywords:
        return f"Serverless({section}={{{own!r}: ...}})" if own else f"Serverless({section}=...)"
    return origin(setting)


def checked_times(setting: str, value: Any) -> int:
    """How often a task may be tried again, wherever that was said."""
    times: int = _checked(setting, RETRIES, value)
    return times


DEFAULTS, DESCRIPTIONS = read_defaults()
load_defaults()
shorten_tracebacks()
