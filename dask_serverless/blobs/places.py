"""Opens places from how the run's header names them: the place for large blobs first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dask_serverless.blobs.base import Place
from dask_serverless.blobs.redis import RedisBlobs
from dask_serverless.blobs.shared import SharedFiles

if TYPE_CHECKING:
    from dask_serverless.store.link import Link


def open_places(names: Sequence[Sequence[Any]], link: Link) -> list[Place]:
    """``names`` are ("shared", folder, …), ("redis",) and ("url", URL)."""
    return [_open(kind, arguments, link) for kind, *arguments in names]


def _open(kind: str, arguments: Sequence[str], link: Link) -> Place:
    if kind == "shared":
        return SharedFiles(arguments)
    if kind == "url":
        from dask_serverless.blobs.url import UrlBlobs

        return UrlBlobs(arguments[0])
    return RedisBlobs(link)
