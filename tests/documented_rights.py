"""The users of docs/security.md, as a real server has them."""

from __future__ import annotations

import re
from pathlib import Path

from dask_serverless.store.link import Link

DOCUMENT = Path(__file__).parents[1] / "docs" / "security.md"
LINES = re.findall(r"^ACL SETUSER .+$", DOCUMENT.read_text(), re.MULTILINE)
PASSWORD = "wonderland"


def more(beginning: str) -> list[str]:
    """What the point that begins so adds to a user's rights."""
    (rights,) = re.findall(rf"^- {beginning}.*: `([^`]+)`", DOCUMENT.read_text(), re.MULTILINE)
    return str(rights).split()


def grant(link: Link, *tenants: str, added: list[str] | None = None) -> None:
    """All documented users of these tenants; to each of them these rights as well."""
    for tenant in tenants:
        for line in LINES:
            words = line.replace("alice", tenant).replace("PASSWORD", PASSWORD).split()
            link.call((*words, *(added or ())))


def as_user(server: str, user: str) -> str:
    return server.replace("://", f"://{user}:{PASSWORD}@")


def denials(link: Link) -> list[tuple[str, str]]:
    """Who was refused what, since the log was reset."""
    entries = [dict(zip(e[::2], e[1::2], strict=True)) for e in link.call(("ACL", "LOG"))[0]]
    return sorted({(e[b"username"].decode(), e[b"object"].decode()) for e in entries})
