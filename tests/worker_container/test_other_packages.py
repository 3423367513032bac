"""A container whose packages are not the client's: what does not unpickle there says so."""

from __future__ import annotations

import operator
import os
import sys
from contextlib import contextmanager

import dask
import numpy as np
import pytest
from awaiting import eventually
from dask import delayed
from http_platform import TOKEN, free_port, healthy, process

from dask_serverless import Serverless
from dask_serverless.backends.entry_point import Address, EntryPoint
from dask_serverless.worker.environment import differing, packages


class Unreadable:
    """Only the process that made it can read it."""

    def __init__(self):
        self.pid = os.getpid()

    def __reduce__(self):
        return operator.getitem, ({self.pid: 1}, Absent())


class Absent:
    def __reduce__(self):
        return os.getpid, ()


@contextmanager
def container(**environment):
    port = free_port()
    told = {"WORKER_TOKEN": TOKEN, "WORKER_HOST": "127.0.0.1", "WORKER_PORT": str(port)}
    with process([sys.executable, "-m", "worker_container"], **told, **environment):
        point = EntryPoint(Address("127.0.0.1", port, TOKEN))
        eventually(lambda: healthy(point))
        point.close()
        yield f"http://127.0.0.1:{port}"


def notes_of(url, store):
    with Serverless(backend="http", url=url, token=TOKEN, containers=1, store=store) as client:
        assert dask.compute(delayed(abs)(-2), scheduler=client) == (2,)
        with pytest.raises(KeyError) as caught:
            dask.compute(delayed(id, pure=False)(Unreadable()), scheduler=client)
    return " ".join(caught.value.__notes__)


def test_what_does_not_unpickle_names_the_packages_that_differ(tmp_path, store_url):
    old = tmp_path / "numpy-1.0.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    with container(PYTHONPATH=path) as url:
        told = notes_of(url, store_url)
    assert f"numpy 1.0 (the client has {np.__version__})" in told
    assert "requirements" in told


def test_nothing_is_said_of_packages_that_are_the_same(store_url):
    with container() as url:
        assert "This container has" not in notes_of(url, store_url)


def test_what_is_missing_in_a_container_is_named():
    assert differing(packages()) == ""
    assert "sparse-thing missing (the client has 1.2)" in differing({"sparse-thing": "1.2"})
