"""What a bundle takes from outside: constants that came with it, outputs of others."""

from __future__ import annotations

from typing import Any

from dask_serverless.blobs.blobs import Blobs
from dask_serverless.coordination.base import Assignment
from dask_serverless.errors import BlobLost
from dask_serverless.worker.bundle import BundleSpec


def unpickled(spec: BundleSpec, blobs: Blobs) -> dict[int, Any]:
    """Constants to be made afresh at each attempt, by name."""
    return {name: blobs.get([pickled])[0] for name, pickled in spec.pickled.items()}


def fetched(spec: BundleSpec, assignment: Assignment, blobs: Blobs) -> dict[int, Any]:
    """Inputs and constants that are kept apart, by name, all fetched together."""
    names = [*spec.inputs, *spec.hoisted]
    references = [r for r in assignment.inputs if r] + list(spec.hoisted.values())
    if len(references) < len(names):
        raise BlobLost(f"task {names[list(assignment.inputs).index(None)]}")
    return dict(zip(names, blobs.get(references), strict=True)) if references else {}
