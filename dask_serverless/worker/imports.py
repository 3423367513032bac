"""Imports of the client's own modules: as the client has loaded them, not as they are on disk now."""

from __future__ import annotations

import base64
import importlib
import marshal
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType
from typing import Any


@dataclass(frozen=True)
class Source:
    """What one module is made from: compiled code, or text where there is none."""

    path: str
    package: bool
    compiled: bool
    data: bytes

    def code(self) -> CodeType:
        if self.compiled:
            code: CodeType = marshal.loads(self.data)
            return code
        return compile(self.data, self.path, "exec", dont_inherit=True)

    def compiles(self) -> bool:
        try:
            self.code()
        except (SyntaxError, ValueError):  # ValueError: null bytes
            return False
        return True

    def to_json(self) -> list[Any]:
        return [self.path, self.package, self.compiled, base64.b64encode(self.data).decode()]

    @staticmethod
    def from_json(told: list[Any]) -> Source:
        path, package, compiled, data = told
        return Source(path, package, compiled, base64.b64decode(data))


class SourceLoader(SourceFileLoader):
    """Loads from a Source; whatever else is asked for (resources, lines of code) is on disk."""

    def __init__(self, name: str, source: Source) -> None:
        super().__init__(name, source.path)
        self.source = source

    def get_code(self, fullname: str) -> CodeType:
        return self.source.code()


class ClientModules(MetaPathFinder):
    """First of the finders: a file that was edited since the client read it must not be read."""

    def __init__(self) -> None:
        self.sources: Mapping[str, Source] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        source = self.sources.get(fullname)
        if source is None:
            return None
        return spec_from_file_location(
            fullname,
            source.path,
            loader=SourceLoader(fullname, source),
            submodule_search_locations=[os.path.dirname(source.path)] if source.package else None,
        )

    def install(self) -> None:
        sys.meta_path.insert(0, self)


def reload_loaded(names: Sequence[str]) -> None:
    """Do again what the client did, to modules that are here already: in place, in its order."""
    for name in names:
        if (module := sys.modules.get(name)) is not None:
            with suppress(Exception):  # the same that the client met, or one that tasks will meet
                importlib.reload(module)
