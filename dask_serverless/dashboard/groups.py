"""Groups: the tasks by key prefix, as Dask's users know them, and the graph of these groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from dask.utils import key_split

from dask_serverless.client.structure import Structure
from planners.graph.arrays import Ids

BEFORE_DIGITS = re.compile(r"[^0-9]*")
SHOWN = 200  # groups that are shown by themselves; the smallest of more become one
REST = "… others"
MOST_CHARACTERS = 300  # of a key on a page
# A line break within a name would end up in its neighbours: written as Python writes it.
ESCAPED = {code: repr(chr(code))[1:-1] for code in (*range(32), 127)}


@dataclass(frozen=True, eq=False)
class Groups:
    """Task → group, the groups' names, and the edges between them with their numbers."""

    of: Ids
    names: Sequence[str]
    sizes: Ids
    sources: Ids  # of an edge between two groups
    targets: Ids
    counts: Ids  # edges between their tasks

    @property
    def count(self) -> int:
        return len(self.names)

    @cached_property
    def levels(self) -> Ids:
        """The column of each group: after all that it takes from. Circles stand in one column
        after another, by who comes first in the run.
        """
        levels = np.zeros(self.count, dtype=np.int32)
        for source, target in zip(self.sources.tolist(), self.targets.tolist(), strict=True):
            if source < target:  # edges are ordered by target, so the source's level is final
                levels[target] = max(levels[target], levels[source] + 1)
        return levels


def groups_of(structure: Structure) -> Groups:
    """Groups are numbered by where they begin in the run: a topological order, but for circles."""
    of, names = by_prefix(structure.labels, structure.tasks)
    of, names = without_smallest(of, names)
    width = max(1, len(names))
    users = np.repeat(np.arange(structure.tasks), np.diff(structure.input_offsets))
    pairs = of[users].astype(np.int64) * width + of[structure.inputs]
    cells, counts = np.unique(pairs, return_counts=True)
    targets, sources = np.divmod(cells, width)
    between = targets != sources
    return Groups(
        of=of,
        names=names,
        sizes=np.bincount(of, minlength=len(names)).astype(np.int32),
        sources=sources[between].astype(np.int32),
        targets=targets[between].astype(np.int32),
        counts=counts[between].astype(np.int32),
    )


def by_prefix(labels: Sequence[Any], tasks: int) -> tuple[Ids, list[str]]:
    if not len(labels):
        return np.zeros(tasks, dtype=np.int32), ["tasks"]
    firsts = [label[0] if type(label) is list and label else label for label in labels]
    firsts = [str(first) if type(first) is list else first for first in firsts]
    names: dict[str, int] = {}
    heads: dict[str, int] = {}
    groups = dict.fromkeys(firsts, 0)
    for first in groups:
        head = head_of(first) if type(first) is str else str(first)
        group = heads.get(head)
        if group is None:
            group = heads[head] = names.setdefault(prefix_of(first), len(names))
        groups[first] = group
    return np.fromiter(map(groups.__getitem__, firsts), np.int32, tasks), list(names)


def head_of(first: str) -> str:
    """The words before the first one with a digit, which say all that Dask's prefix does.

    Delayed tasks have names of their own each, and to take these apart in full takes a microsecond.
    """
    begin = BEFORE_DIGITS.match(first)
    assert begin is not None
    head = begin[0][: begin[0].rfind("-") + 1] if begin.end() < len(first) else ""
    return head if head[:1].isalpha() else first


def prefix_of(first: Any) -> str:
    prefix = str(key_split(first if isinstance(first, str) else str(first)))
    return shortened(prefix.translate(ESCAPED))


def without_smallest(of: Ids, names: list[str]) -> tuple[Ids, list[str]]:
    if len(names) <= SHOWN:
        return of, names
    sizes = np.bincount(of, minlength=len(names))
    kept = np.sort(np.argsort(-sizes, kind="stable")[: SHOWN - 1])
    renamed = np.full(len(names), SHOWN - 1, dtype=np.int32)
    renamed[kept] = np.arange(SHOWN - 1)
    return renamed[of], [names[group] for group in kept.tolist()] + [REST]


def key_shown(label: Any) -> str:
    """A key as its owner writes it."""
    if isinstance(label, list):
        return shortened(repr(as_key(label)))
    return shortened(str(label).translate(ESCAPED) or repr(label))


def key_of(structure: Structure, task: int) -> str:
    """Of any task; "" for none, as where something happened before or between them."""
    labels = structure.labels
    if 0 <= task < len(labels):
        return key_shown(labels[task])
    return f"task {task}" if task >= 0 else ""


def as_key(label: Any) -> Any:
    return tuple(map(as_key, label)) if isinstance(label, list) else label


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """What fits; halves of surrogate pairs, which no browser takes, are replaced."""
    text = text.encode(errors="replace").decode()
    return text if len(text) <= most else text[: most - 1] + "…"
