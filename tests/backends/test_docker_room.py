"""Folders to build images from: gone afterwards, also those of clients that were killed over them."""

import os
import tempfile
import threading

import pytest

from dask_serverless import private
from dask_serverless.backends.docker.room import PREFIX, building, vacate
from dask_serverless.errors import ImageNotBuilt


@pytest.fixture(autouse=True)
def own_temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def long_ago(folder):
    os.utime(folder, (1, 1))
    return folder


def test_what_a_killed_client_left_goes_and_what_is_in_use_stays(own_temporary):
    left = own_temporary / f"{PREFIX}left"
    (left / "context").mkdir(parents=True)
    long_ago(left)
    used, lock = private.make(PREFIX, str(own_temporary))
    long_ago(used)
    with building(threading.Event()) as folder:
        (folder / "Dockerfile").touch()
        assert not left.exists() and used.exists() and folder.parent == own_temporary
    os.close(lock)
    assert list(own_temporary.iterdir()) == [used]


def test_an_error_while_building_leaves_nothing(own_temporary):
    with (
        pytest.raises(ImageNotBuilt, match="cannot be written"),
        building(threading.Event()) as folder,
    ):
        (folder / "Dockerfile").touch()
        raise OSError("the Dockerfile cannot be written")
    assert list(own_temporary.iterdir()) == []


def test_whoever_ends_takes_the_folders_along_that_are_its_own(own_temporary):
    ours, others = threading.Event(), threading.Event()
    with building(ours) as one, building(others) as other:
        vacate(ours)
        assert not one.exists() and other.exists()
