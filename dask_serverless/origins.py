"""Where settings come from: which file or variable says what, and what was mistyped there."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import dask.config

SECTION = "serverless"
PREFIX = f"DASK_{SECTION.upper()}__"
NEAR = 0.8  # how alike a variable's name and a setting's are, where one underscore is missing

_warned: set[str] = set()


def files() -> dict[str, str]:
    """Setting → the last of Dask's configuration files that has it; that one counts.

    What a setting holds has names of its own ("docker.cpus"). The section itself, where it holds no
    settings, is under the section's name.
    """
    found = {}
    for path, told in dask.config.collect_yaml(dask.config.paths, return_paths=True):
        for name in _settings(told):
            found[name] = short(path)
    return found


def environment() -> dict[str, str]:
    """Setting → the environment variable that has it; of a backend's own there may be several."""
    told = dask.config.collect_env()
    return {name: _there(name) for name in _settings(told) if name != SECTION}


def variable(name: str) -> str:
    """Of a setting, or of one that a backend has of its own ("docker.cpus")."""
    return PREFIX + name.upper().replace(".", "__")


def written(name: str, value: Any) -> str | None:
    """The text of the environment variable that Dask has read as this value, if one has it."""
    for each, text in os.environ.items():
        if each.upper() == variable(name) and dask.config.interpret_value(text) == value:
            return text
    return None


def origin(name: str) -> str:
    """A setting with what said so, for people who are to change it there."""
    if name in (variables := environment()):
        return f"{SECTION}.{name} (from {variables[name]})"
    if name in (named := files()):
        where = f"in {named[name]}"
        return f"{SECTION}.{name} ({where}, or {variable(name)})"
    return f"{SECTION}.{name} (or {variable(name)})"


def section_origin() -> str:
    """The same of the section as a whole."""
    if PREFIX.rstrip("_") in os.environ:
        return f"{SECTION} (from {PREFIX.rstrip('_')})"
    where = files().get(SECTION)
    return f"{SECTION} (in {where})" if where else SECTION


def warn_of_underscores(settings: Callable[[], Collection[str]]) -> None:
    """``DASK_SERVERLESS_CONTAINERS`` is no setting of ours, and nobody would say so."""
    single = PREFIX[:-1]
    for each in os.environ:
        if not each.startswith(single) or each.startswith(PREFIX) or each in _warned:
            continue
        words = {variable(name).removeprefix(PREFIX): name for name in settings()}
        for meant in difflib.get_close_matches(each.removeprefix(single).upper(), words, 1, NEAR):
            _warned.add(each)
            warnings.warn(
                f"The environment variable {each} means nothing; the setting {words[meant]} is "
                f"{PREFIX}{meant}, with two underscores.",
                stacklevel=4,
            )


def short(path: Any) -> str:
    home = str(Path.home())
    return "~" + str(path)[len(home) :] if str(path).startswith(home + os.sep) else str(path)


def _settings(told: Any) -> list[str]:
    section = told.get(SECTION) if isinstance(told, Mapping) else None
    if isinstance(section, Mapping):
        return list(_names(section))
    return [] if section is None else [SECTION]


def _names(section: Mapping[Any, Any]) -> Iterator[str]:
    for key, value in section.items():
        name = str(key).replace("-", "_")
        yield name
        if isinstance(value, Mapping):
            yield from (f"{name}.{part}" for part in _names(value))


def _there(name: str) -> str:
    """All variables that have some of it, or what it is a part of."""
    wanted = variable(name)
    there = [each for each in os.environ if f"{each.upper()}__".startswith(f"{wanted}__")]
    if not there and "." in name:
        return _there(name.rpartition(".")[0])
    return ", ".join(sorted(there)) or wanted
