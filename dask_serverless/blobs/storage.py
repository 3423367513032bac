"""Storage: where a run's blobs live and in what form, decided once and told in its header."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dask_serverless.blobs.base import LIVE_SECONDS, Place
from dask_serverless.blobs.blobs import INLINE_BYTES, Blobs
from dask_serverless.blobs.compressed import Compressed
from dask_serverless.blobs.redis import RedisBlobs
from dask_serverless.blobs.shared import SharedFiles
from dask_serverless.errors import SettingsError
from dask_serverless.store.address import without_password

if TYPE_CHECKING:
    from dask_serverless.store.link import Link


@dataclass(frozen=True)
class Storage:
    """The first of these places that there is takes large outputs; the store itself is the last."""

    url: str | None = field(default=None, repr=False)  # fsspec's, for containers on several hosts
    folders: Sequence[str] = ()  # of the one host that all containers share
    inline_bytes: int = INLINE_BYTES  # a smaller output travels within the coordination calls
    compression: str | None = None
    live_seconds: int = LIVE_SECONDS  # by which what is in the store outlives its client

    def told(self) -> list[Any]:
        return [
            self.url, list(self.folders), self.inline_bytes, self.compression, self.live_seconds,
        ]  # fmt: skip

    @staticmethod
    def heard(told: Sequence[Any]) -> Storage:
        return Storage(*told)

    def open(self, link: Link, sign: Callable[[Place], Place] | None = None) -> Blobs:
        """The blobs, as this link reaches them; ``sign`` goes around places that others reach, too.

        Compression is outside of it: nothing of a forged blob is to be decompressed.
        """
        large, *others = self.places(link)
        if sign is not None:
            large, *others = [p if p.own else sign(p) for p in (large, *others)]
        if self.compression:
            others.append(large)
            large = Compressed(large)
        return Blobs(large, others, inline_bytes=self.inline_bytes)

    def places(self, link: Link) -> list[Place]:
        places: list[Place] = [RedisBlobs(link, live_seconds=self.live_seconds)]
        if self.folders:
            places.insert(0, SharedFiles(self.folders))
        if self.url:
            places.insert(0, opened(self.url))
        return places


def opened(url: str) -> Place:
    from dask_serverless.blobs.url import UrlBlobs

    try:
        return UrlBlobs(url)
    except Exception as error:  # an unknown scheme, a missing package, whatever file systems raise
        why = without_password(str(error) or type(error).__name__, url)
        raise SettingsError("blobs", f"has a URL that fsspec cannot open: {why}") from None
