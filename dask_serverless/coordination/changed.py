"""A frozen value once more, with other values in some of its fields."""

from __future__ import annotations

from typing import TypeVar

Value = TypeVar("Value")


def changed(value: Value, **fields: object) -> Value:
    """As ``dataclasses.replace``, for what works nothing out when it is made.

    That goes through the constructor, field by field: 9 us for a report against 1 us, three times
    a bundle.
    """
    assert fields.keys() <= value.__dict__.keys(), "a field that it does not have"
    other = object.__new__(type(value))
    other.__dict__.update(value.__dict__, **fields)
    return other
