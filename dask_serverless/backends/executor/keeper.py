"""The keeper of a process that is not ours: renews what containers in its threads hold.

Run by ``site.py`` with a few modules only: ``import dask_serverless`` would bring all of Dask along,
which takes seven times as long and is not needed here.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Sequence

from dask_serverless.backends.keeper import NAME, Keeper
from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import Keeping
from dask_serverless.backends.pages import pages_in
from dask_serverless.backends.processes import call_itself, standing_still


class SiteKeeper(Keeper):
    """It never kills: the process may do other work than ours. Where it stands still, its claims
    run out, and are fenced when it goes on.
    """

    def look(self) -> None:
        if os.getppid() != self.parent:
            sys.exit()
        if standing_still(self.parent):
            return
        for number, page in enumerate(self.pages):
            pid, working = page.owner
            if working:
                self.keep(number, page, pid)


def main(arguments: Sequence[str]) -> None:
    memory, connection, parent, look_seconds, saying = arguments
    for number in (signal.SIGINT, signal.SIGTERM):  # Ctrl-C in a terminal is the client's business
        signal.signal(number, signal.SIG_IGN)
    call_itself(NAME)
    lines = Lines(socket.socket(fileno=int(connection)))
    pages = pages_in(int(memory))
    keeper = SiteKeeper(lines, int(parent), pages, float(look_seconds), int(saying))
    lines.send(Keeping())
    keeper.live()
