"""Findings quote what servers, file systems and gateways say: no secret of the settings stays in it."""

from __future__ import annotations

from collections.abc import Iterator

from dask_serverless.config import Settings
from dask_serverless.store.address import LEAST_LETTERS, without_password


def without_secrets(text: str, settings: Settings) -> str:
    for secret in sorted(set(secrets_of(settings)), key=len, reverse=True):
        if len(secret) >= LEAST_LETTERS:
            text = text.replace(secret, "***")
    for url in (settings.store, settings.blobs):
        text = without_password(text, url)
    return text


def secrets_of(settings: Settings) -> Iterator[str]:
    yield getattr(settings.http, "token", "")
    yield settings.secret or ""
