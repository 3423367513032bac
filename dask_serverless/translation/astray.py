"""What to say of a key that leads nowhere: it may be a future of distributed's."""

from __future__ import annotations

import sys
from typing import Any

from dask_serverless.errors import FutureInGraph, GraphError, MissingKey


def missing(key: Any) -> GraphError:
    """Dask makes a reference to its key of each future that it meets in a graph."""
    return FutureInGraph(key) if is_future(key) else MissingKey(key)


def cycle(key: Any) -> GraphError:
    """A persisted collection's graph has futures under their own keys: references to themselves."""
    if is_future(key):
        return FutureInGraph(key)
    return GraphError(f"The graph has a cycle through the key {key!r}.", key)


def is_future(key: Any) -> bool:
    """Whether a client of distributed that is open in this process has it."""
    distributed = sys.modules.get("distributed.client")
    if distributed is None:
        return False
    clients = list(distributed.Client._instances)
    return any(key in client.futures or str(key) in client.futures for client in clients)
