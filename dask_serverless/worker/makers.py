"""What makes the containers that tasks take as arguments; called as steps of a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def make_list(*values: Any) -> list[Any]:
    return list(values)


def make_tuple(*values: Any) -> tuple[Any, ...]:
    return values


def make_set(*values: Any) -> set[Any]:
    return set(values)


def make_dict(*values: Any) -> dict[Any, Any]:
    return dict(zip(values[::2], values[1::2], strict=True))


MAKERS: dict[Any, Callable[..., Any]] = {
    list: make_list,
    tuple: make_tuple,
    set: make_set,
    dict: make_dict,
}
