"""Which secret an object's containers get, from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dask_serverless.config import Settings
    from dask_serverless.signing.secret import Secret

# What signs is imported where it is used: a first result on a private store must not wait for it.


def given(settings: Settings) -> Secret | None:
    """The user's own."""
    if settings.secret is None:
        return None
    from dask_serverless.signing.secret import Secret

    return Secret(settings.secret)


def drawn(settings: Settings) -> Secret | None:
    """For containers that a backend starts itself. A private store needs none."""
    if settings.secret is not None or settings.store is None:
        return given(settings)
    from dask_serverless.signing.secret import Secret

    return Secret.drawn()
