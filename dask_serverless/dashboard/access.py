"""Who may look: the address to listen at, the token, the origins. Loopback needs none."""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from string import Formatter
from typing import Any

from dask_serverless.errors import DashboardUnavailable

HOST, PORT = "127.0.0.1", 8787
PORTS_TRIED = 50  # from the usual one on, where none is asked for
USUAL_PORTS = {"http": 80, "https": 443}  # which browsers leave out
MOST_PORT = 65535
LINK = "{scheme}://{host}:{port}/"
PLACES = ("scheme", "host", "port")
NAME = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/*\[\]]+):[0-9]+")  # host:port


@dataclass(frozen=True)
class Address:
    """Where to listen; ``port`` 0 stands for the usual one, or the next that is free."""

    host: str = HOST
    port: int = 0

    @staticmethod
    def parse(value: Any) -> Address:
        """From a setting: true, or what ``at`` takes."""
        if value is True:
            return Address()
        try:
            return Address.at(value)
        except ValueError as error:
            raise ValueError(str(error).replace("must be", "must be true, false,", 1)) from None

    @staticmethod
    def at(value: Any) -> Address:
        """From a port, ":8787", "0.0.0.0:8787" or "[::1]:8787"."""
        text = str(value)
        host, colon, port = text.rpartition(":")
        whole = isinstance(value, int) or (isinstance(value, str) and (colon or text.isdigit()))
        if not (whole and port.isascii() and port.isdigit()) or int(port) > MOST_PORT:
            raise ValueError('must be a port or an address like "127.0.0.1:8787"')
        return Address(host.strip("[]") or HOST, int(port))

    @property
    def loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def listen(self) -> socket.socket:
        """A socket that listens already: whoever comes before the server is up waits."""
        if self.port:
            return self.bound(self.port)
        for port in range(PORT, PORT + PORTS_TRIED):
            try:
                return self.bound(port)
            except DashboardUnavailable as error:
                if not error.in_use:
                    raise
        return self.bound(0)

    def bound(self, port: int) -> socket.socket:
        listening: socket.socket | None = None
        try:
            family, kind, _, _, where = socket.getaddrinfo(
                self.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listening = socket.socket(family, kind)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(where)
            listening.listen(128)
            return listening
        except OSError as error:
            if listening is not None:
                listening.close()
            raise DashboardUnavailable(
                f"{self.host}:{port}", error.strerror or str(error)
            ) from None


@dataclass(frozen=True)
class Access:
    """What a server lets in."""

    host: str
    port: int
    token: str = field(default="", repr=False)
    origins: tuple[str, ...] = ()  # host:port, of pages that may open a connection
    template: str = LINK

    @staticmethod
    def to(
        address: Address,
        port: int,
        token: str = "",
        origins: Sequence[str] = (),
        template: str | None = None,
    ) -> Access:
        """Anything but loopback needs a token: if none is given, one is made up."""
        if not (address.loopback or token):
            token = secrets.token_urlsafe(24)
        known = (*own_names(address, port), *origins)
        return Access(address.host, port, token, known, template or LINK)

    @property
    def link(self) -> str:
        host = self.host
        if host in ("0.0.0.0", "::"):
            host = socket.gethostname()
        host = f"[{host}]" if ":" in host else host
        told = {**os.environ, "scheme": "http", "host": host, "port": str(self.port)}
        link = self.template.format_map(told).removesuffix("/") + "/"
        return link + (f"?token={self.token}" if self.token else "")

    def admits(self, token: str) -> bool:
        return not self.token or hmac.compare_digest(token.encode(), self.token.encode())

    @property
    def cookie(self) -> str:
        """One for each port: browsers send those of a host to all that listen there."""
        return f"dask-serverless-token-{self.port}"

    def knows(self, host: str) -> bool:
        """Whether this is a name of ours: a page of another name must not read our answers."""
        usual = [f"{host}:{port}" for port in USUAL_PORTS.values()]
        return any(name.lower() in self.origins for name in (host, *usual))

    def expects(self, origin: str) -> bool:
        """Whether a page of this origin may open a connection."""
        scheme, _, host = origin.lower().partition("://")
        if not host.rpartition(":")[2].isdigit():  # "[::1]" has no port
            host = f"{host}:{USUAL_PORTS.get(scheme)}"
        return host in self.origins


def own_names(address: Address, port: int) -> tuple[str, ...]:
    names = {address.host.lower(), "localhost", "127.0.0.1", "::1"}
    if not address.loopback:
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    names -= {"0.0.0.0", "::"}
    return tuple(sorted(f"[{n}]:{port}" if ":" in n else f"{n}:{port}" for n in names))


def checked_origins(value: Any) -> tuple[str, ...]:
    """Host and port of each, of one text or several.

    Exact ones: a star would let any page of the web read along.
    """
    named = value.replace(",", " ").split() if isinstance(value, str) else value
    problem = "must name a host and a port, like example.org:443, or several of them"
    if not isinstance(named, list | tuple | set | frozenset):
        raise TypeError(problem)
    if not all(isinstance(each, str) for each in named) or (isinstance(value, str) and not named):
        raise ValueError(problem)
    origins = tuple(with_port(each.lower()) for each in named)
    if not all(NAME.fullmatch(origin) for origin in origins):
        raise ValueError(problem)
    return origins


def with_port(origin: str) -> str:
    """As browsers tell of an origin they have it, too: "https://example.org"."""
    scheme, found, host = origin.rpartition("://")
    if not found:
        return origin
    host = host.removesuffix("/")
    known = host.rpartition(":")[2].isdigit() or scheme not in USUAL_PORTS
    return host if known else f"{host}:{USUAL_PORTS[scheme]}"


def checked_link(template: Any) -> str:
    """What it asks for is known, here and now."""
    problem = (
        'must be text like "/user/{JUPYTERHUB_USER}/proxy/{port}/", in which names in braces are '
        "scheme, host, port or environment variables"
    )
    if not isinstance(template, str):
        raise TypeError(problem)
    try:
        asked = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:  # a single brace
        raise ValueError(f"{problem}: {error}") from None
    for name in asked:
        if name not in PLACES and name not in os.environ:
            raise ValueError(f"{problem}; there is no {name!r}")
    if not template:
        raise ValueError(problem)
    return template
