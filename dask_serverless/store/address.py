"""A store's URL, taken apart: where to connect, as whom, and how to show it without a password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from dask_serverless.errors import StoreUrlInvalid
from dask_serverless.store import encryption

DEFAULT_PORT = 6379
LEAST_LETTERS = 4  # of a password: a shorter one stands in ordinary words, and says nothing there
TENANT = re.compile(r"\w+", re.ASCII)  # without a hyphen, or one could begin as another does
SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster")
UNREADABLE = (
    "cannot be read: the port must be a number up to 65535, and in user and password @ is written "
    "%40, / %2F, ? %3F, # %23, [ %5B and ] %5D"
)


@dataclass(frozen=True)
class Address:
    """One server (or, for a cluster, the node to ask first)."""

    scheme: str
    host: str = ""
    port: int = DEFAULT_PORT
    path: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    #: What follows the question mark; TLS options bear redis-py's names (ssl_ca_certs, ...).
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def tls(self) -> bool:
        return self.scheme.startswith("rediss")

    @property
    def cluster(self) -> bool:
        return self.scheme.endswith("+cluster")

    @property
    def tenant(self) -> str:
        """What names of runs begin with, so that an ACL can tell users apart (docs/security.md)."""
        return f"{self.user}-" if self.user != "default" and TENANT.fullmatch(self.user) else ""

    @property
    def shown(self) -> str:
        """The URL for people: never with the password."""
        if self.scheme == "unix":
            return f"unix://{self.path}"
        user = f"{self.user or ''}{':***' if self.password else ''}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        database = f"/{self.database}" if self.database else ""
        return f"{self.scheme}://{user}{'@' if user else ''}{host}:{self.port}{database}"

    def node(self, host: str, port: int) -> Address:
        """Another node of the same cluster, reached in the same manner."""
        return replace(self, host=host or self.host, port=port)


def parse(url: str) -> Address:
    """The parts of a URL; raises StoreUrlInvalid, saying what is wrong with it."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
    except ValueError:  # whose text may quote a part of the password
        raise StoreUrlInvalid(masked(url), UNREADABLE) from None
    if parts.scheme not in SCHEMES:
        problem = f"has the scheme {parts.scheme!r}" if parts.scheme else "has no scheme"
        raise StoreUrlInvalid(masked(url), problem)
    if parts.scheme == "unix" and not parts.path.strip("/"):
        raise StoreUrlInvalid(masked(url), "names no socket")
    if _is_torn(parts):
        raise StoreUrlInvalid(masked(url), UNREADABLE)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    database = _database(url, parts.scheme, parts.path, options)
    if wrong := encryption.problem(parts.scheme, options):
        raise StoreUrlInvalid(masked(url), wrong)
    return Address(
        scheme=parts.scheme,
        host=unquote(parts.hostname or "localhost"),
        port=port,
        path=unquote(parts.path) if parts.scheme == "unix" else "",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=database,
        options=tuple(options.items()),
    )


def _is_torn(parts: SplitResult) -> bool:
    """Whether an unquoted / ? or # in the password has cut it off: what it ends with is elsewhere."""
    if parts.scheme == "unix":  # whose path may contain anything
        return bool(parts.fragment) or bool(parts.netloc) and "@" not in parts.netloc
    return bool(parts.fragment) or "@" in parts.path + parts.query


def masked(url: str) -> str:
    """A URL, however malformed, without what could be a password or a part of one."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    _, at, place = rest.rpartition("@")
    place, question, _ = place.partition("?")
    host, colon, port = place.partition("/")[0].rpartition(":")
    if not at and colon and not port.isdigit() and not port.endswith("]"):  # user:password alone
        place, question = f"{host}:***", ""
    return f"{scheme}{separator}{'***@' if at else ''}{place}{'?***' if question else ''}"


def without_password(text: str, url: str | None) -> str:
    """What others say of a URL, without its password: libraries quote what they were given."""
    try:
        password = urlsplit(url or "").password or ""
    except ValueError:
        return text
    for each in (password, unquote(password)):
        if len(each) >= LEAST_LETTERS:
            text = text.replace(each, "***")
    return text


def _database(url: str, scheme: str, path: str, options: dict[str, str]) -> int:
    """The database's number: after the slash, or (the only way for a socket) in ?db=."""
    number = options.pop("db", "")
    if scheme != "unix" and path.strip("/"):
        number = path.strip("/")
    if number and not number.isdigit():
        raise StoreUrlInvalid(masked(url), "names a database that is no number")
    if scheme.endswith("+cluster") and number.strip("0"):
        raise StoreUrlInvalid(masked(url), "names a database, but a cluster has only 0")
    return int(number or 0)
