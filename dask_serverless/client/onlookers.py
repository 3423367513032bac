"""Onlookers: who is shown each plan of this process before it is carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planners.cost.outlook import Outlook

Onlooker = Callable[["Outlook"], None]

onlookers: list[Onlooker] = []


@contextmanager
def looking_on(onlooker: Onlooker) -> Iterator[None]:
    """What it raises ends the run before anything is computed."""
    onlookers.append(onlooker)
    try:
        yield
    finally:
        onlookers.remove(onlooker)
