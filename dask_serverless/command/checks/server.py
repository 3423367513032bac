"""What a server says of itself, and what to think of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dask.utils import format_bytes

from dask_serverless.command.checks.finding import Finding, failed_by, ok, warning
from dask_serverless.store.address import Address
from dask_serverless.store.connect import problems

NEARLY = 0.8  # of what there is
LONG_SECONDS = 0.01  # of a round trip: each bundle takes one
APART_SECONDS = 1.0  # of two clocks


class Clocks(NamedTuple):
    """One look at the store's clock: the shorter it took, the surer it is."""

    round_trip: float  # seconds
    ahead: float  # of ours


def judged(address: Address, information: Mapping[str, str], user: str) -> Iterator[Finding]:
    yield ok("server", f"{kind(information)} at {address.shown}, as the user {user}")
    for error in problems(address, information):
        yield failed_by("server", error)
    yield memory(information)
    yield connections(information)
    yield access(address)


def kind(information: Mapping[str, str]) -> str:
    name = "Valkey" if "valkey_version" in information else "Redis"
    mode = information.get("redis_mode") or information.get("server_mode", "standalone")
    return f"{name} {information.get(f'{name.lower()}_version', '?')}, {mode}"


def memory(information: Mapping[str, str]) -> Finding:
    policy = information.get("maxmemory_policy", "unknown")
    used, most = (int(information.get(name, 0)) for name in ("used_memory", "maxmemory"))
    told = f"{format_bytes(used)} used, no maxmemory ({policy})"
    if most:
        told = f"{format_bytes(used)} used of {format_bytes(most)} ({policy})"
    if most and used > NEARLY * most:
        fix = "Raise its maxmemory, or name a place for large outputs in the setting blobs."
        return warning("memory", told, fix)
    return ok("memory", told)


def connections(information: Mapping[str, str]) -> Finding:
    there = int(information.get("connected_clients", 0))
    most = int(information.get("maxclients", 0))
    told = f"{there} of {most}" if most else str(there)
    if most and there > NEARLY * most:
        return warning("connections", told, "Raise its maxclients, or end what holds them.")
    return ok("connections", told)


def access(address: Address) -> Finding:
    """Whoever can write there can run code as us: functions and results are pickles."""
    if address.scheme == "unix":
        return ok("access", "by a socket of this host")
    local = address.host in ("localhost", "::1") or address.host.startswith("127.")
    if not address.password:
        fix = "Set a password (requirepass, or a user of its own), and put it into the URL."
        told = "no password: whoever reaches it can run code in your containers"
        return warning("access", told, fix)
    if not address.tls and not local:
        fix = "Use TLS (rediss://), or a network that is yours alone."
        return warning("access", "by password, over a connection that others may read", fix)
    return ok("access", f"by password, {'with TLS' if address.tls else 'on this host'}")


def round_trip(seconds: float) -> Finding:
    told = f"{1e3 * seconds:.2f} ms, half of them less"
    if seconds > LONG_SECONDS:
        fix = "Use a store nearer to the containers: each of their bundles takes a round trip."
        return warning("round trip", told, fix)
    return ok("round trip", told)


def clock(seen: Clocks) -> Finding:
    told = f"its clock is {abs(seen.ahead):.3f} s {'ahead of' if seen.ahead > 0 else 'behind'} ours"
    if abs(seen.ahead) > APART_SECONDS + seen.round_trip:
        fix = "Let both follow one clock (NTP: `timedatectl set-ntp true`): reports compare them."
        return warning("clock", told, fix)
    return ok("clock", told)
