"""The table of peers: what each is called, what it needs, how it is started and stopped."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import benchmarks.peers.dask_itself as dask_itself
import benchmarks.peers.dask_on_ray as dask_on_ray
import benchmarks.peers.distributed_cluster as distributed_cluster
import benchmarks.peers.serverless as serverless

SERVERLESS = "serverless"


class PeerMissing(Exception):
    """A peer cannot be measured here, because a module that it needs does not import."""


@dataclass(frozen=True)
class Peer:
    """``start(containers)`` gives what a user passes as ``scheduler=``, until it is left."""

    name: str
    module: str  # what has to be installed
    start: Callable[[int], AbstractContextManager[Any]]
    quick: bool = True  # part of a quick comparison that names no peers


PEERS = {
    peer.name: peer
    for peer in (
        Peer(SERVERLESS, "dask_serverless", serverless.start),
        Peer("distributed", "distributed", distributed_cluster.start),
        Peer("threads", "dask.threaded", dask_itself.start_threads),
        Peer("synchronous", "dask.local", dask_itself.start_synchronous),
        Peer("ray", "ray.util.dask", dask_on_ray.start, quick=False),
    )
}


@contextmanager
def open_peer(name: str, containers: int, peers: Mapping[str, Peer] = PEERS) -> Iterator[Any]:
    """The running scheduler of that name."""
    peer = peers[name]
    try:
        importlib.import_module(peer.module)
    except ImportError as error:
        raise PeerMissing(f"{peer.module} cannot be imported ({error})") from error
    with peer.start(containers) as scheduler:
        yield scheduler
