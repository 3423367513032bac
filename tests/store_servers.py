"""Starting real servers for tests, with any flags."""

from __future__ import annotations

import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from dask_serverless.store.address import parse
from dask_serverless.store.binary import find_binary
from dask_serverless.store.link import Link

START_SECONDS = 10.0


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for what no event tells; fail when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        time.sleep(0.005)


def free_port() -> int:
    """A port that is free, as is the one 10,000 above it, which a cluster's node uses too."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as first, socket.socket() as second, suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 10_000))
            return port


@contextmanager
def server_process(directory: Path, *flags: object, binary: str = "") -> Iterator[None]:
    directory.mkdir(exist_ok=True)
    command = [binary or find_binary(), "--save", "", "--dir", str(directory), *map(str, flags)]
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Servers:
    """Starts servers with the flags asked for; the end of its stack stops them."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack

    def __call__(self, *flags: object, scheme: str = "redis", binary: str = "") -> str:
        """The URL of a new server that answers."""
        port = free_port()
        ports = ("--port", 0, "--tls-port", port) if scheme == "rediss" else ("--port", port)
        directory = self._directory / str(port)
        self._stack.enter_context(server_process(directory, *ports, *flags, binary=binary))
        url = f"{scheme}://127.0.0.1:{port}"
        until(lambda: listens(port), START_SECONDS)
        return url


def settled(link: Link) -> bool:
    """Whether a cluster's node serves, and knows the owners of all slots."""
    information, slots = link.call(("CLUSTER", "INFO"), ("CLUSTER", "SLOTS"))
    return b"cluster_state:ok" in information and len(slots) == 3


def cluster(start: Servers) -> list[str]:
    """Three masters, each with a third of the slots, that know one another."""
    urls = [start("--cluster-enabled", "yes") for _ in range(3)]
    with ExitStack() as stack:
        links = [stack.enter_context(Link(parse(each))) for each in urls]
        bounds = [0, 5461, 10923, 16384]
        for link, first, end in zip(links, bounds, bounds[1:], strict=False):
            link.call(("CLUSTER", "ADDSLOTS", *range(first, end)))
            link.call(("CLUSTER", "MEET", links[0].address.host, links[0].address.port))
        until(lambda: all(settled(link) for link in links))
    return urls
