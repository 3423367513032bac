"""Schedulers in containers of a Docker daemon: of one image, under the same limits."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from benchmarks.environment import REPOSITORY
from dask_serverless import Serverless
from dask_serverless.backends.docker.daemon import Attached, Limits
from dask_serverless.backends.docker.site import Site
from dask_serverless.config import Settings

# The base image is a user's own to choose: DASK_SERVERLESS__DOCKER__BASE.
TOLD = {
    "backend": "docker",
    "memory": "2 GiB",
    "cpus": 1.0,
    "requirements": str(REPOSITORY / "benchmarks" / "image.txt"),
}
REMEMBERED_PIECES = 20
START_SECONDS = 60.0


@contextmanager
def start_serverless(containers: int) -> Iterator[Serverless]:
    with Serverless(containers=containers, **TOLD) as scheduler:
        yield scheduler


@contextmanager
def start_distributed(containers: int) -> Iterator[Any]:
    """Its scheduler in this process, where a local cluster has it too; its workers in containers."""
    from distributed import Client, LocalCluster
    from distributed.diagnostics.plugin import UploadFile

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        site = stack.enter_context(closing(Site(settings().docker, containers, sizes_mb=[0])))
        image = site.make_image()
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=0, host=site.gateway, dashboard_address=None, silence_logs="ERROR"
            )
        )
        client = stack.enter_context(Client(cluster, set_as_default=False))
        client.register_plugin(UploadFile(own_modules(folder)))
        names = [f"{site.name}-{number}" for number in range(containers)]
        await_workers(
            client, [Worker(site, image, name, cluster.scheduler_address) for name in names]
        )
        yield client


def settings() -> Settings:
    return Settings.gather(**TOLD)


def own_modules(folder: str) -> str:
    """What tasks are made of: the other peer's containers get it with each run."""
    return shutil.make_archive(f"{folder}/benchmarks", "zip", REPOSITORY, "benchmarks")


def await_workers(client: Any, workers: list[Worker]) -> None:
    try:
        client.wait_for_workers(len(workers), START_SECONDS)
    except TimeoutError as error:
        said = "\n".join(worker.words for worker in workers)
        raise RuntimeError(f"not all workers came within {START_SECONDS:g} s:\n{said}") from error


class Worker:
    """One of distributed's, in a container as ours are."""

    def __init__(self, site: Site, image: str, name: str, scheduler: str) -> None:
        told = settings()
        assert isinstance(told.memory, int)
        limits = Limits(
            told.memory,
            told.docker.cpus_for(told.memory, site.cpus),
            told.docker.pids,
            told.docker.tmp,
        )
        command = ["python3", "-m", "dask", "worker", scheduler, "--nthreads=1", "--no-dashboard"]
        container, attached = site.daemon.create(site.name, name, image, limits, {}, command)
        site.daemon.start(container, site.name)
        self.pieces: deque[bytes] = deque(maxlen=REMEMBERED_PIECES)
        threading.Thread(target=self._listen, args=(attached,), daemon=True).start()

    def _listen(self, attached: Attached) -> None:
        """Nobody may wait for a stream that is not read."""
        for _, data in attached:
            self.pieces.append(data)

    @property
    def words(self) -> str:
        return b"".join(self.pieces).decode(errors="replace")
