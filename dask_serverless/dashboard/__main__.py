"""The dashboard's own process: ``python -m dask_serverless.dashboard DESCRIPTOR``.

Its parent tells it over a pipe, a line of JSON at a time: first who may look, then which store to
read. The pipe's end is its own.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading

from dask_serverless.dashboard.access import Access
from dask_serverless.dashboard.reader import Reader

NICE = 10  # containers come first, where there are fewer cores than processes that want one


def main(descriptor: int) -> None:
    os.nice(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    told = json.loads(sys.stdin.readline())
    access = Access(told["host"], told["port"], told["token"], tuple(told["origins"]))
    reader = Reader()
    threading.Thread(target=heed, args=(reader,), daemon=True).start()

    from dask_serverless.dashboard.server import serve

    serve(socket.socket(fileno=descriptor), access, reader)


def heed(reader: Reader) -> None:
    """What the parent says, until it says no more."""
    for line in sys.stdin:
        told = json.loads(line)
        reader.measurements.follow(told["history"], told["store"] if told["shared"] else None)
        reader.follow(told["store"])
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
