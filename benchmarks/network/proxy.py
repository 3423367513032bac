"""Proxy: a store's address behind which the same store is further away.

with Proxy(store, rtt_seconds=0.001, bytes_per_second=100e6) as far:
    Serverless(store=far.url, …)
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Self
from urllib.parse import quote, urlencode

from benchmarks.environment import REPOSITORY
from benchmarks.network.relay import Figures
from dask_serverless.store.address import Address, parse

__all__ = ["Figures", "Proxy"]

CLOSE_SECONDS = 5.0


class Proxy:
    """Delays and rates are those of each connection and direction; 0: no limit.

    Opening a connection takes a round trip, and each exchange over it another one. All connections
    together may be held to ``total_bytes_per_second``: what the server's own network gives.
    """

    def __init__(
        self,
        url: str,
        *,
        rtt_seconds: float = 0.0,
        bytes_per_second: float = 0.0,
        total_bytes_per_second: float = 0.0,
        listen: str = "127.0.0.1",
    ) -> None:
        address = parse(url)
        if address.cluster or address.tls:
            raise ValueError(
                f"{address.shown}: nodes of a cluster name one another's own addresses, and a "
                "certificate is for one name, so neither can be reached through a proxy"
            )
        server = address.path or f"{address.host}:{address.port}"
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "benchmarks.network.relay",
                f"--server={server}", f"--listen={listen}",
                f"--rtt-seconds={rtt_seconds}", f"--bytes-per-second={bytes_per_second}",
                f"--total-bytes-per-second={total_bytes_per_second}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            text=True,
            start_new_session=True,  # Ctrl-C is the parent's business
        )  # fmt: skip
        port = self._line()
        self.port = int(port)
        self.url = url_of(replace(address, scheme="redis", host=listen, port=self.port, path=""))

    @property
    def figures(self) -> Figures:
        """What went through since it was started."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        return Figures(**json.loads(self._line()))

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ConnectionError("the relay has ended; why, it has written to standard error")
        return line


def url_of(address: Address) -> str:
    """The other way round than ``parse``, for plain TCP."""
    user = quote(address.user, safe="")
    password = f":{quote(address.password, safe='')}" if address.password else ""
    at = "@" if user or password else ""
    options = f"?{urlencode(address.options)}" if address.options else ""
    place = f"{address.host}:{address.port}/{address.database}"
    return f"redis://{user}{password}{at}{place}{options}"
