"""From a URL to a connection that is known to do: reachable, new enough, writable, not evicting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dask_serverless.errors import StoreError, StoreEvicts, StoreReadOnly, StoreTooOld
from dask_serverless.store.address import Address, parse
from dask_serverless.store.cluster import ClusterLink
from dask_serverless.store.link import Link
from dask_serverless.store.versions import needed, new_enough

#: A server that was there before may be failing over; one that never answered is probably misnamed.
FIRST_SECONDS = 3.0
#: URLs whose servers were checked in this process, and whether each is a cluster.
_checked: dict[str, bool] = {}


def open_link(url: str, patience_seconds: float | None = None) -> Link:
    """A link to the store at this URL, for one thread; the first one to a URL checks its server."""
    address = parse(url)
    if is_cluster(url, patience_seconds):
        return ClusterLink(address, patience_seconds)
    return Link(address, patience_seconds)


def is_cluster(url: str, patience_seconds: float | None = None) -> bool:
    """Check the server once a process and URL; whether it is a node of a cluster."""
    known = _checked.get(url)
    if known is None:
        address = parse(url)
        patience = FIRST_SECONDS if patience_seconds is None else patience_seconds
        with Link(address, patience) as link:
            information = information_of(link)
        check(address, information)
        known = address.cluster or information.get("cluster_enabled") == "1"
        _checked[url] = known
    return known


def information_of(link: Link) -> dict[str, str]:
    """What INFO says: managed services that forbid CONFIG still answer it."""
    text = link.call(("INFO",))[0].decode(errors="replace")
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def check(address: Address, information: Mapping[str, str]) -> None:
    """Refuse a server that could fail a run half-way."""
    for error in problems(address, information):
        raise error


def problems(address: Address, information: Mapping[str, str]) -> Iterator[StoreError]:
    """All that a run could fail of."""
    server = "Valkey" if "valkey_version" in information else "Redis"
    version = information.get(f"{server.lower()}_version", "0")
    if not new_enough(server, version):
        yield StoreTooOld(address.shown, server, version, needed(server))
    policy = information.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield StoreEvicts(address.shown, policy)
    if information.get("role") == "slave" and information.get("slave_read_only") != "0":
        primary = f"{information.get('master_host')}:{information.get('master_port')}"
        yield StoreReadOnly(address.shown, primary)
