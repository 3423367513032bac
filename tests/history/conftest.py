"""Archives of every kind, each empty, and ways to make another one of the same place."""

from __future__ import annotations

from pathlib import Path

import pytest
from histories import Again

from dask_serverless.history.archive import MOST_BYTES, Archive, MemoryArchive
from dask_serverless.history.file import FileArchive
from dask_serverless.history.redis import RedisArchive
from dask_serverless.store.link import Link


@pytest.fixture(params=["memory", "file", "redis"])
def again(request: pytest.FixtureRequest, tmp_path: Path) -> Again:
    """Makes archives that share what is in them, as several clients have them."""
    if request.param == "file":
        return lambda most=MOST_BYTES: FileArchive(str(tmp_path / "cache" / "history"), most)
    if request.param == "redis":
        request.getfixturevalue("link")
        url = request.getfixturevalue("store_url")
        return lambda most=MOST_BYTES: RedisArchive(url, most)
    made: list[Archive] = []

    def the_one(most: int = MOST_BYTES) -> Archive:
        made[:] = made or [MemoryArchive(most_bytes=most)]
        return made[0]

    return the_one


@pytest.fixture(params=["file", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What outlives a process: the path of a file, or the URL of a store."""
    if request.param == "file":
        return str(tmp_path / "history")
    link: Link = request.getfixturevalue("link")
    assert link
    return str(request.getfixturevalue("store_url"))
