"""The table of graphs and the decorator that enters a function into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Build = Callable[[int], Any]


@dataclass(frozen=True)
class Graph:
    """A function that makes a fresh collection of the same shape for every seed.

    No scheduler ever sees a seed twice: one that remembers a result by its key must not gain.
    """

    name: str
    family: str
    build: Build
    times: int = 1  # computes a round; for graphs too short to be timed once
    quick_without: tuple[str, ...] = ()  # peers that take too long for a quick comparison


GRAPHS: dict[str, Graph] = {}


def graph(
    family: str, name: str = "", *, times: int = 1, quick_without: tuple[str, ...] = ()
) -> Callable[[Build], Build]:
    """Enter the function into ``GRAPHS`` under its own name, with dashes."""

    def enter(build: Build) -> Build:
        title = name or build.__name__.replace("_", "-")
        GRAPHS[title] = Graph(title, family, build, times, quick_without)
        return build

    return enter
