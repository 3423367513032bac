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
    alike = [0] * len(names)  # characters that a name shares with the one that is most like it
    order = sorted(range(len(names)), key=names.__getitem__)
    for one, other in pairwise(order):
        shared = len(commonprefix([names[one], names[other]]))
        alike[one], alike[other] = max(alike[one], shared), max(alike[other], shared)
    return [cut(name, most, shared) for name, shared in zip(names, alike, strict=True)]


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
