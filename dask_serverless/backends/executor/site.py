"""What containers in the threads of one process share: their pages, and the keeper who reads them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask_serverless
from dask_serverless.backends.executor.threads import ThreadInterruption
from dask_serverless.backends.keeper import LOOKS_A_LEASE
from dask_serverless.backends.lines import Lines
from dask_serverless.backends.messages import Keeping, Lost
from dask_serverless.backends.pages import PAGE_BYTES, Page, pages_in
from dask_serverless.backends.saying import Saying
from dask_serverless.backends.unnamed import unnamed_file
from dask_serverless.worker.paths import searched

MOST_PAGES = 1024  # a page takes memory when it is written
START_SECONDS = 10.0
CLOSE_SECONDS = 2.0
# Packages that are nothing but their folders: the keeper then imports what it names and no more.
START = """
import sys, types
folder, *arguments = sys.argv[1:]
package = types.ModuleType("dask_serverless")
package.__path__ = [folder]
sys.modules["dask_serverless"] = package
sys.path[:] = {path!r}
from dask_serverless.backends.executor.keeper import main
from dask_serverless.backends.unnamed import unnamed_file
main(arguments)
"""


class Site:
    """There while any container is, one for all that have the same lease."""

    def __init__(self, lease_seconds: float) -> None:
        self.lock = threading.Lock()
        self.memory = shared_pages()
        self.pages = pages_in(self.memory)
        self.blank = list(range(MOST_PAGES))
        self.interruptions: dict[int, ThreadInterruption] = {}  # by the numbers of their pages
        self.kept = threading.Event()
        self.saying = Saying()
        ours, theirs = socket.socketpair()
        with theirs:
            self.keeper = self.start(theirs, lease_seconds / LOOKS_A_LEASE)
        self.lines = Lines(ours)
        threading.Thread(target=self.listen, name="dask-serverless-site", daemon=True).start()

    def start(self, theirs: socket.socket, look_seconds: float) -> subprocess.Popen[bytes]:
        folder = str(Path(dask_serverless.__file__).parent)
        reading = self.saying.reading
        arguments = [self.memory, theirs.fileno(), os.getpid(), look_seconds, reading]
        return subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-c",
                START.format(path=searched()),
                folder,
                *map(str, arguments),
            ],
            pass_fds=[self.memory, theirs.fileno(), reading],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def listen(self) -> None:
        """The keeper says that it has come up, then whose work is in vain."""
        for message in self.lines:
            if isinstance(message, Keeping):
                self.kept.set()
            elif isinstance(message, Lost) and (it := self.interruptions.get(message.page)):
                it.ask(message.claim)

    def close(self) -> None:
        self.lines.stream.shutdown(socket.SHUT_RDWR)
        try:
            self.keeper.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self.keeper.kill()
            self.keeper.wait()
        self.lines.close()  # whoever listens has heard of the end by now
        os.close(self.memory)
        self.saying.close()


@contextmanager
def page_at(lease_seconds: float) -> Iterator[tuple[Site, int, Page]]:
    """A page for one container, at the site that there is or at a new one."""
    with _lock:
        site = _sites.get(lease_seconds)
        if site is None or site.keeper.poll() is not None:
            site = _sites[lease_seconds] = Site(lease_seconds)
        number = site.blank.pop(0)
    page = site.pages[number]
    try:
        site.kept.wait(START_SECONDS)  # no claim is taken that nobody would renew
        yield site, number, page
    finally:
        page.clear()
        with _lock:
            site.interruptions.pop(number, None)
            site.blank.append(number)
            last = len(site.blank) == MOST_PAGES
            if last and _sites.get(lease_seconds) is site:
                del _sites[lease_seconds]
        if last:
            site.close()


def shared_pages() -> int:
    """What the keeper maps as well: a descriptor."""
    with unnamed_file("pages") as file:
        os.truncate(file.fileno(), MOST_PAGES * PAGE_BYTES)
        return os.dup(file.fileno())


_lock = threading.Lock()
_sites: dict[float, Site] = {}


def _forget_after_fork() -> None:
    """They are the parent's, and so are their keepers."""
    global _lock
    _lock = threading.Lock()
    for site in _sites.values():
        site.lines.close()
        os.close(site.memory)
        site.saying.close()
    _sites.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
