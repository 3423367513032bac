"""What this machine has for containers of its own: folders, room in them, open files."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from dask.utils import format_bytes

from dask_serverless.backends.cores import cores
from dask_serverless.blobs.folder import MEMORY
from dask_serverless.command.checks.finding import Finding, failed, ok, warning
from dask_serverless.command.checks.past import check_history
from dask_serverless.config import Settings

PROBE = b"dask-serverless" * 4096
LEAST_ROOM_BYTES = 256 << 20
FILES = 128  # that one process has open at most without any container
FILES_A_CONTAINER = 8


def check_machine(settings: Settings) -> Iterator[Finding]:
    containers = settings.containers or cores()
    yield ok("cores", f"{cores()} of {os.cpu_count()} may be used")
    yield open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0], containers)
    memory = folder("shared memory", MEMORY)
    yield memory
    try:
        temporary = tempfile.gettempdir()
    except OSError as error:
        yield failed("temporary files", str(error), "Name a folder with room in TMPDIR.")
    else:
        yield folder("temporary files", temporary)
    yield from check_history(settings)


def open_files(limit: int, containers: int) -> Finding:
    needed = FILES + FILES_A_CONTAINER * containers
    told = f"{'any number' if limit == resource.RLIM_INFINITY else limit} at once in a process"
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return ok("open files", told)
    told += f"; {containers} containers may need {needed}"
    return warning("open files", told, f"ulimit -n {max(4096, needed)}")


def folder(what: str, path: str) -> Finding:
    """Whether outputs can go through files in there, by trying."""
    fix = {MEMORY: "Outputs go through the disk instead; in Docker, start with --shm-size=1g."}.get(
        path, "Free some room, or name another folder in TMPDIR."
    )
    try:
        seconds = written_and_read(path)
        usage = shutil.disk_usage(path)
    except OSError as error:
        bad = warning if path == MEMORY else failed
        return bad(what, f"{path} cannot be used: {why(error)}", fix)
    told = f"{format_bytes(usage.free)} free of {format_bytes(usage.total)} in {path}"
    if usage.free < LEAST_ROOM_BYTES:
        return warning(what, told, fix)
    return ok(what, f"{told}, written and read in {1e3 * seconds:.1f} ms")


def written_and_read(path: str) -> float:
    """Seconds; leaves nothing."""
    begun = time.perf_counter()
    with tempfile.NamedTemporaryFile(dir=path, prefix="dask-serverless-probe-") as probe:
        probe.write(PROBE)
        probe.flush()
        if Path(probe.name).read_bytes() != PROBE:
            raise OSError(errno.EIO, "what was written was not what was read")
    return time.perf_counter() - begun


def why(error: OSError) -> str:
    return error.strerror or str(error)
