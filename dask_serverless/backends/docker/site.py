"""What one start of the backend has made, up to its close: network, containers, and who removes them."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from dask_serverless import private
from dask_serverless.backends.docker.container import Container
from dask_serverless.backends.docker.daemon import Daemon
from dask_serverless.backends.docker.ends import Ends
from dask_serverless.backends.docker.image import Image
from dask_serverless.backends.docker.pool import Pool
from dask_serverless.backends.docker.room import vacate
from dask_serverless.backends.docker.settings import DockerSettings
from dask_serverless.backends.own_in_store import OwnInStore
from dask_serverless.errors import StoreError
from dask_serverless.signing.secret import Secret
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link

PREFIX = "dask-serverless-pool-"
GUARD = str(Path(__file__).with_name("guard.py"))
CLOSE_SECONDS = 5.0


class Site:
    """Made by a client, and left to a fork's parent."""

    def __init__(
        self,
        settings: DockerSettings,
        containers: int,
        sizes_mb: Sequence[int],
        secret: Secret | None = None,
    ) -> None:
        self.settings = settings
        self.daemon = Daemon()
        self.folder, self.held = private.make(PREFIX, tempfile.gettempdir())
        self.name = self.folder.name
        self.token = secrets.token_hex(24)
        self.pool = Pool(self.name, containers, sizes_mb)
        self.containers: dict[str, Container] = {}
        self.own = OwnInStore(self.name, secret)
        self.own_of: dict[str, str] = {}  # run → under which key
        self.links: dict[str, Link] = {}
        self.storing = threading.Lock()  # of whoever uses them
        self.image = ""  # once there is one
        self.making = threading.RLock()  # an image or a network, which takes files of this host
        self.ends = Ends(self.daemon, self.name)
        self.over = threading.Event()
        private.sweep(PREFIX, self.folder.parent, lambda folder: self.daemon.clear(folder.name))
        self.daemon.remove_forsaken_networks()
        self.guard = subprocess.Popen(
            [sys.executable, "-P", GUARD, self.name],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            self.subnet = self.daemon.make_network(self.name)
        except BaseException:
            self.close()
            raise
        self.ends.begin()

    @cached_property
    def cpus(self) -> int:
        return self.daemon.cpus()

    @property
    def gateway(self) -> str:
        """Where containers reach this host."""
        return self.subnet["Gateway"]

    @property
    def closed(self) -> bool:
        return self.over.is_set()

    def make_image(self) -> str:
        settings = self.settings
        image = Image(settings.base_image, settings.requirements_file, over=self.over)
        with self.making:
            return image.ready(self.daemon)

    def present_image(self) -> str:
        """What a container needs is made again where it is not there any more.

        While none is there, the daemon counts both as unused: `docker system prune` removes them.
        """
        with self.making:
            if not self.daemon.has_network(self.name):  # the private store listens at its gateway
                self.daemon.make_network(self.name, self.subnet)
            if not self.daemon.has_image(self.image):
                self.image = self.make_image()
            return self.image

    def put_own(self, store: str) -> str:
        """See to it that containers find the client's own modules: the key."""
        with self.storing:
            if store not in self.links:
                self.links[store] = open_link(store)
            return self.own.put(self.links[store])

    def keep_own(self, store: str) -> None:
        with self.storing:
            if (link := self.links.get(store)) is not None:
                self.own.keep(link)

    def close(self) -> None:
        """Nothing is left."""
        self.over.set()
        self.ends.close()
        threads = [
            threading.Thread(target=container.remove)
            for container in list(self.containers.values())
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(CLOSE_SECONDS)
        for link in self.links.values():
            with suppress(StoreError), link:
                self.own.remove(link)
        if self.making.acquire(timeout=CLOSE_SECONDS):  # what it was made from is gone by then
            self.making.release()
        else:
            vacate(self.over)
        self.daemon.clear(self.name)
        with suppress(OSError):
            self.guard.communicate(b"over\n", CLOSE_SECONDS)
        self.daemon.close()
        self.folder.rmdir()
        os.close(self.held)

    def abandon(self) -> None:
        for container in self.containers.values():
            container.abandon()
        if self.guard.stdin is not None:
            self.guard.stdin.close()
        os.close(self.held)
