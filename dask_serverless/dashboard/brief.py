"""Brief: names where there is little room, cut so that they can still be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from os.path import commonprefix

CUT = "…"


def brief(names: Sequence[str], most: int) -> list[str]:
    """In this many characters. Names that begin alike, as those of a pipeline's steps do, are cut in
    the middle: what is left shows where they differ.
    """
    return [cut(name, most, shared) for name, shared in zip(names, alike(names), strict=True)]


def alike(names: Sequence[str]) -> list[int]:
    """How many characters a name shares with the one that is most like it."""
    shares = [0] * len(names)
    order = sorted(range(len(names)), key=names.__getitem__)
    for one, other in pairwise(order):
        shared = len(commonprefix([names[one], names[other]]))
        shares[one], shares[other] = max(shares[one], shared), max(shares[other], shared)
    return shares


def cut(name: str, most: int, shared: int) -> str:
    if len(name) <= most:
        return name
    if shared < most - 1:
        return name[: most - 1] + CUT
    head = name[: most // 3] + CUT
    room = most - len(head)
    begin = min(shared - room // 3, len(name) - room)
    rest = name[begin : begin + room]
    return head + (rest if begin + room == len(name) else rest[:-1] + CUT)
