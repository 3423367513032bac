"""Lua scripts as they are sent to servers."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass, field
from hashlib import sha1


@dataclass(frozen=True)
class Script:
    """A Lua script, known to servers by its SHA-1."""

    source: str = field(repr=False)
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.source.encode()).hexdigest())


def script_of(package: str, *names: str) -> Script:
    """Of a package's files, one after another.

    Not by importlib.resources, whose first call imports more: with a thread that is at it, a fork
    would hang at its own first call.
    """
    return Script("\n".join(_read(package, f"lua/{name}.lua") for name in names))


def _read(package: str, path: str) -> str:
    content = pkgutil.get_data(package, path)
    assert content is not None  # only a loader that cannot read files has none
    return content.decode()
