"""Opening the socket to a server: Unix, TCP or TLS, with keep-alive."""

from __future__ import annotations

import socket
import struct
import sys

from dask_serverless.errors import StoreUrlInvalid
from dask_serverless.store.address import Address
from dask_serverless.store.encryption import encrypted

CONNECT_SECONDS = 5.0
#: A peer that vanished without a word is noticed after idle + interval * count = 30 seconds.
KEEP_ALIVE_IDLE_SECONDS = 15
KEEP_ALIVE_INTERVAL_SECONDS = 5
KEEP_ALIVE_COUNT = 3


def open_socket(address: Address) -> socket.socket:
    """A connected socket that gives up after CONNECT_SECONDS; raises OSError."""
    if address.scheme == "unix":
        return _open_unix(address)
    connection = socket.create_connection((address.host, address.port), CONNECT_SECONDS)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keep_alive(connection)
        return encrypted(connection, address) if address.tls else connection
    except BaseException:
        connection.close()
        raise


def give_up_after(connection: socket.socket, seconds: float, address: Address) -> None:
    """Reading or writing that takes longer fails: with TimeoutError, or with BlockingIOError.

    It is the kernel that looks at the clock. Where Python does, each call becomes two: the first
    asks whether the second would have to wait. With TLS there is nobody else.
    """
    if address.tls:
        connection.settimeout(seconds)
        return
    connection.settimeout(None)
    whole, part = divmod(seconds, 1.0)
    limit = struct.pack("ll", int(whole), int(part * 1e6))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, option, limit)


def _open_unix(address: Address) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_SECONDS)
    try:
        connection.connect(address.path)
    except OSError as error:
        connection.close()
        if error.errno is None:  # Python itself refuses a path longer than sockaddr_un
            raise StoreUrlInvalid(address.shown, f"is no socket path ({error})") from None
        raise
    return connection


def keep_alive(connection: socket.socket) -> None:
    """Its reader learns of a peer that has vanished."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE"
    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, idle), KEEP_ALIVE_IDLE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEP_ALIVE_INTERVAL_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEP_ALIVE_COUNT)
