"""The store: whether it answers, what kind it is, how far away, and whether a run is possible in it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from dask_serverless.command.checks.finding import Finding, failed_by, ok
from dask_serverless.command.checks.rehearsal import rehearse
from dask_serverless.command.checks.server import Clocks, clock, judged, round_trip
from dask_serverless.config import Settings
from dask_serverless.errors import StoreError
from dask_serverless.store.address import Address, parse
from dask_serverless.store.binary import find_binary
from dask_serverless.store.connect import information_of, open_link
from dask_serverless.store.embedded import EmbeddedStore
from dask_serverless.store.link import Link

PATIENCE_SECONDS = 3.0
LOOKS = 20  # at the clock


def check_store(settings: Settings) -> Iterator[Finding]:
    if settings.store is not None:
        yield from check_server(settings.store)
        return
    yield ok("program", f"{find_binary()}, for a private server")
    with EmbeddedStore() as private:
        yield from check_server(private.wait_ready())


def check_server(url: str) -> Iterator[Finding]:
    address = parse(url)
    try:
        with Link(address, PATIENCE_SECONDS) as link:
            information = information_of(link)
            yield from judged(address, information, user_of(address, link))
            clocks = looked_at(link)
        yield round_trip(statistics.median(each.round_trip for each in clocks))
        yield clock(min(clocks))
    except StoreError as error:
        yield failed_by("server", error)
        return
    yield from tried(url)


def tried(url: str) -> Iterator[Finding]:
    """What containers do in the store, with the same keys, scripts and streams."""
    try:
        with open_link(url, PATIENCE_SECONDS) as link:
            rehearse(link)
    except StoreError as error:
        yield failed_by("a run", error)
    else:
        yield ok("a run", "scripts, streams and values work, and nothing is left of them")


def user_of(address: Address, link: Link) -> str:
    """As whom the server knows us; it may forbid to ask."""
    try:
        return str(link.call(("ACL", "WHOAMI"))[0].decode())
    except StoreError:
        return address.user or "default"


def looked_at(link: Link) -> list[Clocks]:
    """Its clock and ours, several times."""
    found = []
    for _ in range(LOOKS):
        begun, before = time.time(), time.perf_counter()
        seconds, microseconds = link.call(("TIME",))[0]
        taken = time.perf_counter() - before
        theirs = int(seconds) + int(microseconds) / 1e6
        found.append(Clocks(taken, theirs - (begun + taken / 2)))
    return found
