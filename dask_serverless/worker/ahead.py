"""Fetches the bundle that probably comes next, while the current one runs."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.places import open_places
from dask_serverless.coordination.base import Assignment
from dask_serverless.store.link import Link
from dask_serverless.worker.header import Header


@dataclass(frozen=True)
class Early:
    """What is here before it was needed."""

    spec: bytes = b""
    blobs: Mapping[bytes, Any] = field(default_factory=dict)


class Ahead:
    """Nothing is claimed by looking ahead: if another container gets the bundle, only the
    download was in vain.
    """

    def __init__(self) -> None:
        self.bundle = -1
        self.spec = b""
        self.pool: ThreadPoolExecutor | None = None
        self.coming: Future[Mapping[bytes, Any]] | None = None

    def begin(self, link: Link, header: Header) -> None:
        """Only where blobs take time to come; the link is for the thread that fetches."""
        self.link = link
        self.blobs = Blobs(open_places(header.places, link), compression=header.compression)
        self.pool = ThreadPoolExecutor(1, "ahead")

    @property
    def wish(self) -> str:
        """What to tell the store: the bundle that is here, none yet, or no interest."""
        if self.pool is None:
            return ""
        return str(self.bundle) if self.bundle >= 0 else "-"

    def fetch(self, upcoming: Assignment | None) -> None:
        if upcoming is None or self.pool is None or upcoming.bundle == self.bundle:
            return
        self.bundle, self.spec = upcoming.bundle, upcoming.spec
        wanted = [reference for reference in upcoming.inputs if reference]
        self.coming = self.pool.submit(self.blobs.fetch, wanted)

    def take(self, bundle: int) -> Early:
        """What was fetched for this bundle, waiting for what is still under way."""
        coming, self.coming = self.coming, None
        fetched, self.bundle = self.bundle, -1
        if coming is None or fetched != bundle:
            return Early()
        try:
            return Early(self.spec, coming.result())
        except Exception:  # released meanwhile, or the store did not answer: fetched again
            return Early(self.spec)

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=False)
            self.link.close()
