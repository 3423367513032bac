"""What ``dask serverless dashboard`` does: the pages of a store that others compute with."""

from __future__ import annotations

import socket

import click

from dask_serverless.config import Settings
from dask_serverless.dashboard.access import Access, Address, checked_origins
from dask_serverless.dashboard.process import require
from dask_serverless.dashboard.reader import Reader
from dask_serverless.errors import DashboardUnavailable, SettingsError
from dask_serverless.store.connect import open_link


def show(store: str | None, address: str, token: str, origins: tuple[str, ...]) -> None:
    """Until Ctrl-C."""
    require("the dashboard")
    settings = Settings.gather(**({"store": store} if store else {}))
    url = settings.store
    if url is None:
        raise SettingsError("store", "is not set, and a private store ends with its process: use "
            "--store URL, or Serverless(dashboard=True) where you compute.")  # fmt: skip
    with open_link(url):
        pass  # a store that cannot be used is told now
    try:
        allowed = checked_origins(origins)
    except ValueError as error:
        told = origins[0] if len(origins) == 1 else list(origins)
        raise SettingsError("--allow-origin", f"is {told!r}, but {error}.") from None
    try:
        where = Address.at(address)
    except ValueError as error:
        raise SettingsError("--address", f"is {address!r}, but {error}.") from None
    with listening_at(where) as listening:
        port = listening.getsockname()[1]
        allowed = allowed or settings.allow_origin
        access = Access.to(where, port, token, allowed, settings.dashboard_link)
        click.echo(f"Dashboard: {access.link}")

        from dask_serverless.dashboard.server import serve

        reader = Reader(url)
        reader.measurements.follow(settings.history, url)
        serve(listening, access, reader)


def listening_at(where: Address) -> socket.socket:
    try:
        return where.listen()
    except DashboardUnavailable as error:
        hint = "Name another one with --address HOST:PORT; --address :0 takes the next free port."
        raise DashboardUnavailable(error.address, error.cause, hint) from None
