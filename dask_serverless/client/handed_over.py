"""What Dask would have a scheduler compute, caught before anything is computed."""

from __future__ import annotations

from typing import Any

import dask


class Caught(Exception):
    """The graph and the keys that a scheduler gets, optimized as for a run."""

    def __init__(self, graph: Any, keys: Any) -> None:
        super().__init__("Dask hands over a graph")
        self.graph, self.keys = graph, keys


def handed_over(method: str, *collections: Any) -> Caught:
    """Of these collections together; ``method`` is what the user called, for errors."""

    def catch(graph: Any, keys: Any, **options: Any) -> Any:
        raise Caught(graph, keys)

    try:
        dask.compute(*collections, scheduler=catch)
    except Caught as caught:
        return caught
    got = ", ".join(repr(type(collection).__name__) for collection in collections) or "nothing"
    raise TypeError(
        f"{method}() got {got}, in which there is nothing to compute: it takes what dask.compute "
        "takes, such as an array, a dataframe, a bag or a delayed value."
    )
