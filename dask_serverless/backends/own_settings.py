"""What a backend's own settings have in common: how they are shown, and how one is refused."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar, NoReturn

from dask_serverless.errors import SettingsError
from dask_serverless.showing import shown, shown_all


class OwnSettings:
    """Of a frozen dataclass, whose own repr would show passwords in URLs: so it has repr=False."""

    section: ClassVar[str]  # in YAML, and in front of each name in errors

    def refuse(self, name: str, problem: str) -> NoReturn:
        told = shown(name, getattr(self, name))
        raise SettingsError(f"{self.section}.{name}", f"is {told}, but {problem}.")

    def __repr__(self) -> str:
        made: Any = self
        told = {each.name: getattr(self, each.name) for each in fields(made)}
        return f"{type(self).__name__}({shown_all(told)})"
