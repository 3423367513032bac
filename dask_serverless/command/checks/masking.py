"""Findings quote what servers, file systems and gateways say: no secret of the settings stays in it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from dask_serverless.config import Settings

LEAST = 4  # letters: a shorter one stands in ordinary words, and says nothing there


def without_secrets(text: str, settings: Settings) -> str:
    for secret in sorted(set(secrets_of(settings)), key=len, reverse=True):
        if len(secret) >= LEAST:
            text = text.replace(secret, "***")
    return text


def secrets_of(settings: Settings) -> Iterator[str]:
    yield getattr(settings.http, "token", "")
    yield settings.secret or ""
    for url in (settings.store, settings.blobs):
        try:
            password = urlsplit(url or "").password or ""
        except ValueError:
            continue
        yield from (password, unquote(password))
