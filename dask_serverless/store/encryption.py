"""Encryption: what a store's URL says of TLS, and what connections make of it.

A word that is mistyped here, or that stands in a URL without TLS, would be a connection that is less
safe than its user believes: so none is passed over.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dask_serverless.errors import StoreUnreachable, StoreUrlInvalid

if TYPE_CHECKING:
    from ssl import SSLContext

    from dask_serverless.store.address import Address

OFF = ("false", "0")
CHOICES: dict[str, tuple[str, ...]] = {  # redis-py's names; () is anything
    "ssl_ca_certs": (),
    "ssl_certfile": (),
    "ssl_keyfile": (),
    "ssl_password": (),
    "ssl_cert_reqs": ("required", "optional", "none"),
    "ssl_check_hostname": ("true", "1", *OFF),
}


def problem(scheme: str, options: Mapping[str, str]) -> str:
    """What is wrong with a URL's words about TLS; "" if nothing is. A URL has no other words left."""
    for name in options:
        if name not in CHOICES:
            return f"has an option {name}, and there are only db, {', '.join(CHOICES)}"
        if not scheme.startswith("rediss"):
            return f"has {name}, but encrypts nothing: its scheme must be {secure(scheme)}"
        if not options[name]:
            return f"has {name}, but nothing behind it"
        choices = CHOICES[name]
        if choices and options[name].lower() not in choices:
            return f"has a {name} that is none of {', '.join(choices)}"
    return ""


def secure(scheme: str) -> str:
    return scheme.replace("redis", "rediss") if scheme.startswith("redis") else "rediss"


def encrypted(connection: socket.socket, address: Address) -> socket.socket:
    """Once the server has proved who it is: nothing was sent to it before, no password."""
    import ssl  # only TLS pays for it

    try:
        return context_of(address).wrap_socket(connection, server_hostname=address.host)
    except ssl.SSLCertVerificationError as error:
        known = "An authority of your own is named by ?ssl_ca_certs=/path/to/ca.pem in the URL"
        problem = f"certificate verify failed ({error.verify_message.rstrip('.')}). {known}"
        raise StoreUnreachable(address.shown, problem) from None  # now and for ever


def context_of(address: Address) -> SSLContext:
    """With the authorities that the URL names, or else those of this machine."""
    import ssl

    options = dict(address.options)
    authorities = options.get("ssl_ca_certs")
    with naming(address, f"ssl_ca_certs={authorities}"):
        context = ssl.create_default_context(cafile=authorities)
    if certificate := options.get("ssl_certfile"):
        key = options.get("ssl_keyfile")
        with naming(address, f"ssl_certfile={certificate}, ssl_keyfile={key}"):
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(certificate, key, options.get("ssl_password", ""))
    verified = options.get("ssl_cert_reqs", "required").lower() != "none"
    if not verified or options.get("ssl_check_hostname", "").lower() in OFF:
        context.check_hostname = False
    if not verified:
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def naming(address: Address, what: str) -> Iterator[None]:
    """A file that cannot be used is no server that does not answer: nobody need wait for it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreUrlInvalid(
            address.shown, f"has {what}, which cannot be used here: {reason}"
        ) from None
