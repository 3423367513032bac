"""Backends by name, and what only one of them is told: a frozen value each, checked when it is made."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

from dask_serverless.errors import SettingsError

LOCAL = "local"
# Where each one's settings are; imported where they are used: most users have none of these.
SETTINGS = {
    "docker": ("dask_serverless.backends.docker.settings", "DockerSettings"),
    "http": ("dask_serverless.backends.http.settings", "HttpSettings"),
}
NAMES = (LOCAL, *SETTINGS)
WITH_SIZES = ("docker",)  # containers of several memory sizes at once


def settings_class(backend: Any) -> Any:
    """None for a backend that has no settings of its own."""
    if not isinstance(backend, str) or backend not in SETTINGS:
        return None
    module, name = SETTINGS[backend]
    return getattr(import_module(module), name)


def own_names(backend: Any) -> list[str]:
    """The settings that only this backend has."""
    found = settings_class(backend)
    return [each.name for each in fields(found)] if found else []


def settings_of(backend: str, told: Any) -> Any:
    """The backend's own settings, from a mapping of YAML, of the environment or of keywords."""
    made = settings_class(backend)
    if isinstance(told, made):
        return told
    if not isinstance(told, Mapping):
        raise SettingsError(backend, f"is {told!r}, but must hold named settings, like base: ….")
    names = own_names(backend)
    given = {str(name).replace("-", "_"): value for name, value in told.items()}
    for name in given:
        if name not in names:
            close = difflib.get_close_matches(name, names, 1)
            guess = f"; did you mean {close[0]!r}?" if close else "."
            problem = f"does not exist{guess} There are {', '.join(sorted(names))}."
            raise SettingsError(f"{backend}.{name}", problem)
    return made(**given)
