"""The oldest servers that have every command the coordination needs."""

from __future__ import annotations

OLDEST = {"redis": (6, 2), "valkey": (7, 2)}


def new_enough(server: str, version: str) -> bool:
    """Whether a server of this name ("Redis", "valkey", ...) and version will do."""
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    return numbers >= OLDEST.get(server.lower(), OLDEST["redis"])


def needed(server: str) -> str:
    """The oldest version that will do, for people."""
    name = server.lower() if server.lower() in OLDEST else "redis"
    return f"{name.title()} {'.'.join(map(str, OLDEST[name]))}"
