"""Making entries and archives for the tests of the history."""

from __future__ import annotations

from collections.abc import Callable

from dask_serverless.history.archive import Archive
from dask_serverless.history.entry import Entries
from dask_serverless.history.file import FileArchive
from dask_serverless.history.folding import fold
from dask_serverless.history.observations import Calls, Observations, Sample
from dask_serverless.history.redis import RedisArchive

Again = Callable[..., Archive]


def observed(*names: str, seconds: float = 0.5, samples: int = 1) -> Observations:
    """Each function was called twice, and looked at so many times."""
    rows = [Sample(0, 100.0, seconds, 200.0, 300.0 + number) for number in range(samples)]
    return Observations({name: Calls(2, 2 * seconds, rows) for name in names})


def entries_of(source: str, *names: str, samples: int = 1) -> Entries:
    number = int.from_bytes(source.encode())
    return fold([observed(*names, samples=samples)], now=100.0, source=number)[0]


def archive_at(place: str) -> Archive:
    return RedisArchive(place) if "://" in place else FileArchive(place)
