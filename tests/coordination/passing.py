"""Time that passes for a run without anybody waiting: it was submitted earlier."""

from __future__ import annotations

from dask_serverless.coordination.memory import MemoryCoordination


def passes(run, milliseconds):
    bare = getattr(run, "inner", run)  # of a signed one
    if isinstance(bare, MemoryCoordination):
        bare.store.runs[bare.run].submitted -= milliseconds / 1000
    else:
        bare.link.call(("HINCRBY", f"ds:{{{bare.run}}}:meta", "submitted", -1000 * milliseconds))
