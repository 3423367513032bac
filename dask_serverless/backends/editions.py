"""Which edition of the client's own modules a run needs, and a container was born with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dask_serverless.worker.imports import ClientModules, Source, reload_loaded

Edition = Mapping[str, Source]  # compared by identity


class Editions:
    """What containers that were born before have imported is what was there then: runs that come
    later do without them.
    """

    def __init__(self, own: Mapping[str, list[Any]]) -> None:
        self.imports = ClientModules()
        self.runs: dict[str, Edition] = {}
        self.add(own, ())

    def install(self) -> None:
        self.imports.install()

    @property
    def latest(self) -> Edition:
        return self.imports.sources

    def add(self, own: Mapping[str, list[Any]], reloaded: Sequence[str]) -> None:
        """The client has loaded modules of its own, some of them perhaps once more."""
        new = {name: Source.from_json(told) for name, told in own.items()}
        self.imports.sources = {**self.imports.sources, **new}
        reload_loaded(reloaded)

    def begin(self, run: str) -> None:
        self.runs.setdefault(run, self.latest)

    def end(self, run: str) -> None:
        self.runs.pop(run, None)

    def of(self, run: str) -> Edition:
        return self.runs.get(run, self.latest)

    def outdated(self, edition: Edition) -> bool:
        """Whether it is not what the client has now, and no run needs it."""
        return edition is not self.latest and all(
            edition is not kept for kept in self.runs.values()
        )

    def adopt(self, edition: Edition) -> None:
        """In a container: this is what it imports."""
        self.imports.sources = edition
