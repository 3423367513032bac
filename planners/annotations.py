"""Annotations in JSON: each by its kind, whichever optimization defines it."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from planners.errors import PlanError


def annotation_to_json(annotation: object) -> dict[str, Any]:
    to_json = getattr(annotation, "to_json", None)
    if to_json is None:
        raise PlanError(f"{annotation!r} has no to_json: make it an optimizations.Annotation")
    value: dict[str, Any] = to_json()
    return value


def annotation_from_json(value: dict[str, Any]) -> object:
    from planners.optimizations.annotation import Annotation

    _know_all_kinds()
    return Annotation.from_json(value)


@cache
def _know_all_kinds() -> None:
    """A kind is known once its module is imported; who reads a plan may have imported none."""
    package = importlib.import_module("planners.optimizations")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"planners.optimizations.{module.name}")
