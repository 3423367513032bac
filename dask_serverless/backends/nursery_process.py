"""A nursery's process: first its settings, then libraries, then its life until the client is gone.

Run as ``python -m dask_serverless.backends.nursery_process FD STDERR``; the end of the connection FD
ends everything.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from dask_serverless.backends.container import STOP
from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import Message, Opening
from dask_serverless.backends.nursery import Nursery
from dask_serverless.backends.preparing import preload, show_errors
from dask_serverless.backends.processes import wake_with_parent


def opening_of(client: Lines) -> list[Message]:
    """The settings, and whatever the client has sent behind them by now."""
    while not (messages := client.receive()):
        if messages is None:
            sys.exit()
    return messages


def main(make: Callable[[Lines, Opening], Nursery] = Nursery) -> None:
    live(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), make)


def live(
    stream: socket.socket, shown: int, make: Callable[[Lines, Opening], Nursery] = Nursery
) -> None:
    """``shown`` is where the client's errors go."""
    client = Lines(stream)
    wake_with_parent()
    signal.signal(STOP, signal.SIG_IGN)  # until a container sets its own handler
    opening, *early = opening_of(client)
    assert isinstance(opening, Opening)
    nursery = make(client, opening)

    def let_go() -> None:
        nursery.wards.let_go()
        os.dup2(shown, 2)

    with suppress(OSError):  # told when the first container is to be born
        nursery.wards.keeper.start(let_go)  # before anything large is imported
    sys.path[:] = opening.path
    nursery.editions.install()
    preload(opening.modules)
    import dask

    dask.config.set(scheduler="synchronous")  # for what tasks compute themselves
    show_errors(shown)
    try:
        nursery.live(early)
        gone = opening.owned and not nursery.leaving
    except BaseException:  # the client lives, and starts another one: its runs go on
        gone = False
        raise
    finally:
        nursery.wards.end()
    if gone:
        nursery.clear()


if __name__ == "__main__":
    main()
