"""Runs the client's own part of a run, step by step, as what it needs arrives from containers."""

from __future__ import annotations

from collections import Counter
from typing import Any

from dask_serverless.client.failed import Failed
from dask_serverless.translation.home import Home
from dask_serverless.worker.execute import call, prepared
from dask_serverless.worker.names import function_name


class AtHome:
    """Told of each value once. Nothing is kept longer than steps to come or the caller need it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.inputs, self.asked, self.afterwards = home.inputs, home.asked, home.afterwards
        self.values: dict[int, Any] = {}
        self.missing: list[int] = []  # how many inputs each step still waits for
        self.users: dict[int, list[int]] = {}  # name → the steps that take it
        for place, taken in enumerate(home.takes):
            names = [name for name in taken if name not in home.constants]
            self.missing.append(len(names))
            for name in names:
                self.users.setdefault(name, []).append(place)
        self.uses = Counter({name: len(users) for name, users in self.users.items()})

    def begin(self) -> None:
        """Run what waits for nothing."""
        for place in [place for place, count in enumerate(self.missing) if not count]:
            self.arrived(self.home.steps[place][0], self.run(place))

    def arrived(self, name: int, value: Any) -> None:
        """A value is there: run all that waited for nothing else."""
        todo = [(name, value)]
        while todo:
            name, value = todo.pop()
            if name in self.users or name in self.home.asked:
                self.values[name] = value
            for place in self.users.get(name, ()):
                self.missing[place] -= 1
                if not self.missing[place]:
                    todo.append((self.home.steps[place][0], self.run(place)))

    def run(self, place: int) -> Any:
        home = self.home
        _, index, names, keywords = home.steps[place]
        function = prepared(home.functions[index])
        arguments = [self.values[n] if n in self.values else home.constants[n] for n in names]
        try:
            result = call(function, arguments, keywords or ())
        except Exception as error:
            what = f"{function_name(function)} for the key {home.labels[place]!r}"
            error.add_note(f"while the client ran {what}")
            raise Failed(error) from None
        for name in home.takes[place].intersection(self.uses):
            self.uses[name] -= 1
            if not self.uses[name] and name not in home.asked:
                del self.values[name]
        return result
