"""What a bundle takes from outside: constants that came with it, outputs of others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dask_serverless.blobs.blobs import UNPACKS, Blobs, Unpack
from dask_serverless.errors import BlobLost
from dask_serverless.worker.again import References
from dask_serverless.worker.bundle import BundleSpec


def unpickled(spec: BundleSpec, blobs: Blobs) -> dict[int, Any]:
    """Constants to be made afresh at each attempt, by name."""
    return {name: blobs.get([pickled])[0] for name, pickled in spec.pickled.items()}


def fetched(
    inputs: References,
    hoisted: Mapping[int, bytes],
    blobs: Blobs,
    unpacks: Iterable[Unpack] = UNPACKS,
) -> dict[int, Any]:
    """Inputs and constants that are kept apart, by name, all fetched together."""
    references = {**inputs, **hoisted}
    found = [reference for reference in references.values() if reference]
    if len(found) < len(references):
        raise BlobLost(f"task {next(name for name, r in references.items() if not r)}")
    return dict(zip(references, blobs.get(found, unpacks), strict=True)) if found else {}
