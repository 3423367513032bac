"""A Lambda backend from a client's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dask_serverless.backends.aws_lambda.backend import LambdaBackend
from dask_serverless.backends.aws_lambda.settings import LambdaSettings, sizes_of
from dask_serverless.errors import SettingsError
from dask_serverless.signing.secret import Secret
from dask_serverless.store.address import masked, parse

if TYPE_CHECKING:
    from dask_serverless.config import Settings


def lambda_backend(settings: Settings) -> LambdaBackend:
    own = (settings.aws_lambda or LambdaSettings()).complete()
    if settings.containers is None:
        raise SettingsError(
            "containers",
            "must be given with backend='lambda': as many as the account may run at once, or fewer.",
        )
    return LambdaBackend(
        own,
        sizes_of(settings.memory),
        settings.containers,
        store=reachable(settings.store, own),
        lease_seconds=settings.lease_seconds,
        secret=secret_of(settings),
    )


def reachable(store: str | None, own: LambdaSettings) -> str:
    """The store's URL, if functions may reach it: those of an emulator run anywhere."""
    if store is None:
        raise SettingsError(
            "store",
            "must be given with backend='lambda': a private server cannot be reached from there.",
        )
    address = parse(store)
    local = address.host == "localhost" or address.host.startswith("127.") or address.host == "::1"
    if own.endpoint_url is None and (address.scheme == "unix" or local):
        raise SettingsError(
            "store",
            f"is {address.shown!r}, which only this machine can reach. Name one that functions of "
            "AWS Lambda reach, too.",
        )
    return store


def granted(blobs: str | None, own: LambdaSettings) -> None:
    """Where functions may write large outputs: a deployment gives them rights to nothing but S3."""
    if blobs is not None and own.endpoint_url is None and not in_s3(blobs):
        raise SettingsError(
            "blobs",
            f"is {masked(blobs)!r}, but functions of AWS Lambda are deployed with rights to S3 only: "
            "s3://bucket/prefix.",
        )


def in_s3(blobs: str | None) -> bool:
    return urlsplit(blobs or "").scheme in ("s3", "s3a")


def secret_of(settings: Settings) -> Secret:
    """Functions are deployed with it: it signs what the store has, and seals invitations."""
    if settings.secret is None:
        raise SettingsError(
            "secret",
            "must be given with backend='lambda', the same for `dask serverless deploy lambda`. Make "
            "one with `openssl rand -hex 32`.",
        )
    return Secret(settings.secret)
