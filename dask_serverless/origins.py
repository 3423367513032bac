"""Where settings come from: which file or variable says what, and what was mistyped there."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import dask.config

SECTION = "serverless"
PREFIX = f"DASK_{SECTION.upper()}__"
NEAR = 0.8  # how alike a variable's name and a setting's are, where one underscore is missing

_warned: set[str] = set()


def files() -> dict[str, str]:
    """Setting → the last of Dask's configuration files that has it; that one counts.

    The section itself, where it holds no settings, is under the section's name.
    """
    found = {}
    for path, told in dask.config.collect_yaml(dask.config.paths, return_paths=True):
        for name in _settings(told):
            found[name] = short(path)
    return found


def environment() -> dict[str, str]:
    """Setting → the environment variable that has it."""
    told = dask.config.collect_env()
    return {name: PREFIX + name.upper() for name in _settings(told) if name != SECTION}


def origin(name: str) -> str:
    """A setting with what said so, for people who are to change it there."""
    if name in (variables := environment()):
        return f"{SECTION}.{name} (from {variables[name]})"
    if name in (named := files()):
        where = f"in {named[name]}"
        return f"{SECTION}.{name} ({where}, or {PREFIX}{name.upper()})"
    return f"{SECTION}.{name} (or {PREFIX}{name.upper()})"


def section_origin() -> str:
    """The same of the section as a whole."""
    if PREFIX.rstrip("_") in os.environ:
        return f"{SECTION} (from {PREFIX.rstrip('_')})"
    where = files().get(SECTION)
    return f"{SECTION} (in {where})" if where else SECTION


def warn_of_underscores(settings: Collection[str]) -> None:
    """``DASK_SERVERLESS_CONTAINERS`` is no setting of ours, and nobody would say so."""
    single = PREFIX[:-1]
    for variable in os.environ:
        if not variable.startswith(single) or variable.startswith(PREFIX) or variable in _warned:
            continue
        name = variable.removeprefix(single).lower()
        for meant in difflib.get_close_matches(name, settings, 1, NEAR):
            _warned.add(variable)
            warnings.warn(
                f"The environment variable {variable} means nothing; the setting {meant} is "
                f"{PREFIX}{meant.upper()}, with two underscores.",
                stacklevel=4,
            )


def short(path: Any) -> str:
    home = str(Path.home())
    return "~" + str(path)[len(home) :] if str(path).startswith(home + os.sep) else str(path)


def _settings(told: Any) -> list[str]:
    section = told.get(SECTION) if isinstance(told, Mapping) else None
    if isinstance(section, Mapping):
        return [str(name).replace("-", "_") for name in section]
    return [] if section is None else [SECTION]
