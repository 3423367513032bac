"""An HTTP backend from a client's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dask_serverless.backends.http.backend import HttpBackend
from dask_serverless.backends.http.settings import LOOPBACK, HttpSettings
from dask_serverless.errors import SettingsError
from dask_serverless.signing.chosen import given

if TYPE_CHECKING:
    from dask_serverless.config import Settings


def http_backend(settings: Settings) -> HttpBackend:
    http = (settings.http or HttpSettings()).complete()
    if settings.containers is None:
        raise SettingsError(
            "containers",
            "must be given with backend='http': as many as the platform may run at once.",
        )
    if settings.store is None and http.parts.hostname not in LOOPBACK:
        raise SettingsError(
            "store",
            "must be given with backend='http': a private server cannot be reached from there.",
        )
    return HttpBackend(
        http,
        settings.containers,
        lease_seconds=settings.lease_seconds,
        secret=given(settings),
    )
