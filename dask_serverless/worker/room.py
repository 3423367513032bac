"""Room: what a task that found a disk full is told beside the system's five words."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress

FULL = (errno.ENOSPC, errno.EDQUOT)
MIB = 1 << 20


def lacking(error: BaseException) -> str:
    """How much room there is where a container's tasks may write; "" for any other error."""
    if isinstance(error, OSError) and error.errno in FULL:
        with suppress(OSError):
            folder = os.environ.get("TMPDIR", "/tmp")  # tempfile knows of none once it is full
            there = shutil.disk_usage(folder)
            return (
                f"in this container {folder} has {there.free // MIB} of {there.total // MIB} MiB left: "
                "what tasks leave there stays until it ends (on Docker, the setting tmp is its size)"
            )
    return ""
