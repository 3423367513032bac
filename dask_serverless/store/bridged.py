"""A private store for containers with a network of their own: it listens there, for a password."""

from __future__ import annotations

import secrets
import socket

from dask_serverless.errors import StoreUnreachable
from dask_serverless.store.embedded import READY_SECONDS
from dask_serverless.store.server import Server

CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
"""


class BridgedStore:
    """One server of its own: the client reaches it through its socket, containers over ``host``."""

    def __init__(self, host: str) -> None:
        password = secrets.token_hex(24)
        port = free_port(host)
        said = CONFIGURATION.format(host=host, port=port, password=password)
        self.server = Server(said)
        self.url = f"unix://:{password}@{self.server.socket}"
        self.shown = self.server.url
        self.url_for_containers = f"redis://:{password}@{host}:{port}"

    def wait_ready(self, timeout_seconds: float = READY_SECONDS) -> str:
        """The client's URL, once the server takes connections; StoreUnreachable if it does not."""
        trouble = self.server.wait_ready(timeout_seconds)
        if trouble:
            raise StoreUnreachable(self.shown, trouble)
        return self.url

    def alive(self) -> bool:
        return self.server.alive()

    def close(self) -> None:
        self.server.stop()

    def abandon(self) -> None:
        """In a fork: it is the parent's."""
        self.server.abandon()


def free_port(host: str) -> int:
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            problem = f"this host has no address {host} to listen at ({error.strerror})"
            raise StoreUnreachable("a private server", problem) from None
        port: int = probe.getsockname()[1]
        return port
