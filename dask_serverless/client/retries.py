"""Retries: how often each task of a run may be tried again, as annotations, keyword and setting say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dask._task_spec import GraphNode, Task
from dask.blockwise import Blockwise
from dask.core import flatten
from dask.highlevelgraph import Layer

from dask_serverless.config import RETRIES, checked_times
from dask_serverless.translation.translate import Translation
from dask_serverless.worker.names import qualified_name
from dask_serverless.worker.retrying import ALL_OTHERS

WITHIN = re.compile(r"_\.\d+$")  # what Dask appends to names within a fused block
SUBGRAPH = ("dask._task_spec", "_execute_subgraph")


@dataclass
class Retries:
    """What was asked for: annotations come before the keyword, and that before the setting."""

    everywhere: int = 0
    by_key: dict[Any, int] = field(default_factory=dict)
    by_name: dict[str, int] = field(default_factory=dict)  # of layers, and of keys (name, 0, 0)
    by_call: Callable[[Any], Any] | None = None  # of any other key

    @staticmethod
    def asked_for(
        layers: Iterable[Layer], asked: int | Mapping[Any, int] | Callable[[Any], Any]
    ) -> Retries | None:
        """All of one call; None if nothing was asked for. The keyword is checked by now."""
        marked = [layer for layer in layers if RETRIES in (layer.annotations or ())]
        if not marked and not asked:
            return None
        if isinstance(asked, int):
            retries = Retries(asked)
        elif isinstance(asked, Mapping):
            retries = Retries(by_key=of_keys(asked))
        else:
            retries = Retries(by_call=asked)
        for layer in marked:
            retries.annotate(layer, (layer.annotations or {})[RETRIES])
        return retries

    def of(self, translation: Translation) -> dict[int, int]:
        """By task; under ALL_OTHERS what is the same for all others."""
        found = {ALL_OTHERS: self.everywhere} if self.everywhere else {}
        if self.by_key or self.by_name or self.by_call:
            for task, label in enumerate(translation.dag.labels):
                times = self.times(label, translation.graph.get(label))
                if times is not None:
                    found[task] = times
        return found

    def times(self, key: Any, node: Any) -> int | None:
        """Of one task; where it is several that Dask has fused, as often as any of them."""
        asked = [self.asked(part) for part in (key, *keys_within(node))]
        return max((times for times in asked if times is not None), default=None)

    def asked(self, key: Any) -> int | None:
        times = self.by_key.get(key)
        if times is None and self.by_name:
            name = key[0] if type(key) is tuple and key else key
            times = self.by_name.get(WITHIN.sub("", name) if type(name) is str else name)
        if times is None and self.by_call:
            times = times_of(self.by_call(key))
        return times

    def annotate(self, layer: Layer, value: Any) -> None:
        """What ``dask.annotate(retries=...)`` says of a layer: a number, or one for each key."""
        if isinstance(layer, Blockwise) and not callable(value):  # its keys may be very many
            self.by_name[layer.output] = times_of(value)
            return
        keys = layer.get_output_keys() if isinstance(layer, Blockwise) else layer
        for key in keys:
            self.by_key[key] = times_of(value(key) if callable(value) else value)


def keys_within(node: Any) -> Iterator[Any]:
    """Of the tasks that a fused one is made from."""
    if isinstance(node, Task) and qualified_name(node.func) == SUBGRAPH:
        for key, inner in node.args[0].items():
            yield key
            if isinstance(inner, GraphNode):
                yield from keys_within(inner)


def times_of(value: Any) -> int:
    """An annotation's value."""
    return checked_times("dask.annotate(retries=...)", value)


def of_keys(asked: Mapping[Any, int]) -> dict[Any, int]:
    """``compute(retries={x: 3})``: a key stands for itself, a collection for its keys."""
    found: dict[Any, int] = {}
    for each, times in asked.items():
        keys = each.__dask_keys__() if hasattr(each, "__dask_keys__") else [each]
        found.update(dict.fromkeys(flatten(keys), times))
    return found
