"""Blobs at any fsspec URL: object stores for large outputs across hosts."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dask_serverless.blobs.base import Place, Stored
from dask_serverless.blobs.frames import Frames, size
from dask_serverless.errors import BlobLost, BlobsUnusable, SettingsError
from dask_serverless.store.address import without_password

TOGETHER = 16  # downloads under way at once
# What no other attempt would mend: no such bucket, no such disk, no way or right to write.
NOT_THERE = (
    FileNotFoundError, FileExistsError, NotADirectoryError, PermissionError, NotImplementedError,
)  # fmt: skip
# Where nothing is made before something is written: s3fs would make a mistyped bucket.
OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss"}


class UrlBlobs(Place):
    tag = b"u"
    knows_runs = True

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        self.files, self.root = fsspec.core.url_to_fs(url)
        kinds = self.files.protocol  # one, or all names of the same
        self.has_folders = not OBJECT_STORES.intersection(
            [kinds] if isinstance(kinds, str) else kinds
        )

    def said(self, error: Exception) -> str:
        """File systems quote what they were given."""
        return without_password(str(error) or type(error).__name__, self.url)

    def put(self, name: str, frames: Frames) -> Stored:
        path = f"{self.root.rstrip('/')}/{name}"
        try:
            if self.has_folders:
                self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
            with self.files.open(path, "wb") as file:
                for frame in frames:
                    file.write(frame)
        except NOT_THERE as error:
            why = self.said(error)
            problem = f"names a place that cannot be written to: {why}. Name another, or make it."
            raise SettingsError("blobs", problem) from None
        except MemoryError:
            raise
        except Exception as error:
            raise BlobsUnusable("takes no data", self.said(error)) from None
        return Stored(self.tag + path.encode(), [], size(frames))

    def get(self, references: Sequence[bytes]) -> list[bytearray]:
        paths = [reference[1:].decode() for reference in references]
        if len(paths) == 1:
            return [self.fetch(paths[0])]
        with ThreadPoolExecutor(min(TOGETHER, len(paths))) as pool:
            return list(pool.map(self.fetch, paths))

    def fetch(self, path: str) -> bytearray:
        try:
            return bytearray(self.files.cat_file(path))
        except FileNotFoundError:
            raise BlobLost(without_password(path, self.url)) from None
        except MemoryError:
            raise
        except Exception as error:
            raise BlobsUnusable("gives no data", self.said(error)) from None

    def delete(self, references: Sequence[bytes]) -> None:
        for reference in references:
            self._remove(reference[1:].decode())

    def clear(self, run: str) -> None:
        self._remove(f"{self.root.rstrip('/')}/{run}", recursive=True)

    def _remove(self, path: str, **options: Any) -> None:
        try:
            self.files.rm(path, **options)
        except FileNotFoundError:
            pass
