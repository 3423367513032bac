"""The place that the setting blobs names: whether outputs can be written, read and deleted there."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from dask_serverless.backends.platforms import LOCAL, platform_named
from dask_serverless.blobs.schemes import INSTEAD, OF_ONE_HOST, on_one_host
from dask_serverless.blobs.url import UrlBlobs
from dask_serverless.command.checks.finding import Finding, failed, ok, warning
from dask_serverless.config import Settings
from dask_serverless.store.address import masked

WHAT = "blobs"
PROBE = b"dask-serverless" * 4096


def check_blobs(settings: Settings) -> Iterator[Finding]:
    url = settings.blobs
    if url is None:
        return
    yield from reach(url, settings.backend)
    try:
        yield ok(WHAT, f"{masked(url)}: written, read and deleted in {1e3 * probed(url):.0f} ms")
    except ImportError as error:
        fix = f"pip install {error.name}" if error.name else str(error)
        yield failed(WHAT, f"{masked(url)} needs a package that is not installed", fix)
    except Exception as error:  # each file system has its own
        told = f"{masked(url)} cannot be used: {type(error).__name__}: {error}"
        yield failed(
            WHAT, told, "Name another place in the setting blobs, or see to its credentials."
        )


def reach(url: str, backend: Any) -> Iterator[Finding]:
    """Whether containers see the same files there as the client."""
    if not on_one_host(url) or backend == LOCAL:
        return
    told = f"{masked(url)} is another place in containers"
    fix = f"Name a place that all of them reach in the setting blobs, {INSTEAD}."
    if (platform := platform_named(backend)) is not None and platform.has_own_files:
        yield failed(WHAT, told, fix)
    else:
        yield warning(WHAT, f"{told}, unless it is mounted", fix)


def probed(url: str) -> float:
    """Seconds; leaves nothing, as far as the place lets itself be cleaned."""
    name, begun = f"doctor-{secrets.token_hex(8)}", time.perf_counter()
    place = UrlBlobs(url)
    new = url.partition("://")[0] in OF_ONE_HOST and not os.path.exists(place.root)
    try:
        stored = place.put(f"{name}/probe", [PROBE])
        (found,) = place.get([stored.reference])
        place.delete([stored.reference])
    finally:
        with suppress(Exception):  # then the error under way says more
            place.clear(name)
        if new:  # the first run makes it again
            with suppress(OSError):
                os.rmdir(place.root)
    if found != PROBE:
        raise ValueError("what was written was not what was read")
    return time.perf_counter() - begun
