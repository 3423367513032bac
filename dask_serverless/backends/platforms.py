"""Backends by name, and what only one of them is told: a frozen value each, checked when it is made."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any, NamedTuple

from dask_serverless.errors import SettingsError
from dask_serverless.showing import shown

LOCAL = "local"


class Platform(NamedTuple):
    """A backend; it is imported where it is used, since most users have none of these."""

    section: str  # of the settings that only it has; its folder bears the same name
    settings: str  # their class
    makes: str  # the function that makes it from a client's settings
    has_limits: bool = False  # containers have the memory that is asked for, and no more
    has_sizes: bool = False  # of several sizes at once
    has_own_files: bool = False  # and nothing of the client's host can be mounted

    def found(self, module: str, name: str) -> Any:
        return getattr(import_module(f"dask_serverless.backends.{self.section}.{module}"), name)


PLATFORMS = {
    "docker": Platform(
        "docker",
        "DockerSettings",
        "docker_backend",
        has_limits=True,
        has_sizes=True,
        has_own_files=True,
    ),
    "http": Platform("http", "HttpSettings", "http_backend"),
    "lambda": Platform(
        "aws_lambda", "LambdaSettings", "lambda_backend", has_limits=True, has_sizes=True
    ),
}
NAMES = (LOCAL, *PLATFORMS)
SECTIONS = {platform.section: platform for platform in PLATFORMS.values()}
WITH_LIMITS = (LOCAL, *(name for name, platform in PLATFORMS.items() if platform.has_limits))
WITH_SIZES = tuple(name for name, platform in PLATFORMS.items() if platform.has_sizes)


def platform_named(backend: Any) -> Platform | None:
    """None for what runs here, or on an object that the user has."""
    return PLATFORMS.get(backend) if isinstance(backend, str) else None


def settings_class(platform: Platform) -> Any:
    return platform.found("settings", platform.settings)


def own_names(backend: Any) -> list[str]:
    """The settings that only this backend has."""
    platform = platform_named(backend)
    return [each.name for each in fields(settings_class(platform))] if platform else []


def settings_of(section: str, told: Any) -> Any:
    """The backend's own settings, from a mapping of YAML, of the environment or of keywords."""
    made = settings_class(SECTIONS[section])
    if isinstance(told, made):
        return told
    names = [each.name for each in fields(made)]
    if not isinstance(told, Mapping):
        # Text in the place of them may be any of them: the token, say.
        what = "text" if isinstance(told, str | bytes) else shown(section, told)
        problem = f"is {what}, but must hold named settings: {', '.join(sorted(names))}."
        raise SettingsError(section, problem)
    given = {str(name).replace("-", "_"): value for name, value in told.items()}
    for name in given:
        if name not in names:
            close = difflib.get_close_matches(name, names, 1)
            guess = f"; did you mean {close[0]!r}?" if close else "."
            problem = f"does not exist{guess} There are {', '.join(sorted(names))}."
            raise SettingsError(f"{section}.{name}", problem)
    return made(**given)
