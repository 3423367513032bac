"""Serverless: the object that users pass as ``scheduler=``."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from contextlib import ExitStack
from typing import Any

import dask

from dask_serverless import callbacks
from dask_serverless.backends.local import LocalBackend
from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.places import open_places
from dask_serverless.report import RunReport
from dask_serverless.run import Run, Surroundings
from dask_serverless.store.connect import open_link
from dask_serverless.store.embedded import EmbeddedStore
from dask_serverless.store.link import Link


class Serverless:
    def __init__(self, containers=None, planner="structural") -> None:
        self.containers = containers or os.cpu_count()
        self.planner = planner
        self.lock = threading.RLock()
        self.local = threading.local()
        self.links = []
        self.backend = None
        self.last_run: RunReport | None = None

    def start(self):
        with self.lock:
            if self.backend is None:
                self.pid = os.getpid()
                self.store = EmbeddedStore()
                self.backend = LocalBackend(self.containers)
                self.backend.start()
                self.folder = tempfile.mkdtemp(prefix="dask-serverless-", dir="/dev/shm")
                self.places = [("shared", self.folder), ("redis",)]
                self.url = self.store.wait_ready()

    def link(self) -> Link:
        link = getattr(self.local, "link", None)
        if link is None:
            link = self.local.link = open_link(self.url)
        return link

    def __call__(self, graph: Any, keys: Any, *, callbacks_=None, **kwargs: Any) -> Any:
        self.start()
        link = self.link()
        import importlib
        planner = getattr(importlib.import_module("planners."+self.planner), self.planner.title())()
        around = Surroundings(
            backend=self.backend, link=link, side=lambda: open_link(self.url), store=self.url,
            blobs=Blobs(open_places(self.places, link), inline_bytes=16 << 10),
            places=self.places, planner=planner, containers=self.containers,
            lease_seconds=15.0, attempts=3, result_limit=None, inline_bytes=16 << 10, compression=None,
        )
        with callbacks.active(callbacks_) as active:
            run = Run(around, callbacks.Observers(active))
            try:
                return run.compute(graph, keys)
            finally:
                self.last_run = run.report

    get = __call__

    def close(self):
        if self.backend is not None:
            self.backend.close()
            self.store.close()
            import shutil
            shutil.rmtree(self.folder, ignore_errors=True)
            self.backend = None
