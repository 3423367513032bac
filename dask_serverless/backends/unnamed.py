"""Files without a name, which go with the last process that has them open."""

from __future__ import annotations

import os
import tempfile
from typing import IO


def unnamed_file(purpose: str) -> IO[bytes]:
    """In memory, where the system has such."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create(f"dask-serverless-{purpose}"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
