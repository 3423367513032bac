"""A Docker backend from a client's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dask.utils import format_bytes

from dask_serverless.backends.cores import cores
from dask_serverless.backends.docker.backend import DockerBackend
from dask_serverless.backends.docker.settings import LEAST_MEMORY, USUAL_MEMORY, DockerSettings
from dask_serverless.errors import SettingsError
from dask_serverless.signing.chosen import drawn

if TYPE_CHECKING:
    from dask_serverless.config import Settings


def docker_backend(settings: Settings) -> DockerBackend:
    sizes = settings.memory if isinstance(settings.memory, tuple) else (settings.memory or 0,)
    for size in filter(None, sizes):
        if size < LEAST_MEMORY:
            least = f"a container without any work needs {format_bytes(LEAST_MEMORY)}"
            raise SettingsError("memory", f"is {format_bytes(size)}, but {least}.")
    own = settings.docker or DockerSettings()
    own.check_against(max(sizes) or USUAL_MEMORY, settings.containers)
    return DockerBackend(
        own,
        settings.containers or cores(),
        memory_bytes=[size for size in sizes if size],
        idle_seconds=settings.idle_seconds,
        lease_seconds=settings.lease_seconds,
        attempts=settings.attempts,
        store=settings.store,
        secret=drawn(settings),
    )
