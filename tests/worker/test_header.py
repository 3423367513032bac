"""The header of a run: what another release wrote is refused by name, never misread."""

from __future__ import annotations

import pickle

import msgpack
import pytest

import dask_serverless
from dask_serverless.blobs.storage import Storage
from dask_serverless.errors import VersionsDiffer
from dask_serverless.worker.header import Header

HEADER = Header(b"functions", Storage(folders=["/a"]), 5.0, folder="/b", path=["/c"])


def changed(**values):
    told = {**msgpack.unpackb(HEADER.pack()), **values}
    return msgpack.packb({name: value for name, value in told.items() if value is not ...})


def test_a_header_arrives_as_it_was():
    arrived = Header.unpack(HEADER.pack())
    assert arrived == HEADER
    arrived.check_versions()


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"news": 1, "release": "7.0"}, "dask-serverless 7.0"),
        ({"folder": ..., "release": "0.0.1"}, "dask-serverless 0.0.1"),
        ({"news": 1}, f"dask-serverless {dask_serverless.__version__} from another source"),
        ({"release": ...}, "dask-serverless of another release"),
        ({"storage": ..., "python": ..., "dask": 3}, "Python unknown, Dask 3"),
        ({"storage": [1, 2, 3, 4, 5, 6, 7], "more": 0}, "from another source"),
        ({"release": "0.0.1"}, "dask-serverless 0.0.1"),
        ({"python": "3.9.1"}, "Python 3.9"),
        ({"dask": "2024.1.0"}, "Dask 2024.1.0"),
    ],
    ids=str,
)
def test_a_header_of_another_version_is_refused_with_the_versions(values, shown):
    header = Header.unpack(changed(**values))
    with pytest.raises(VersionsDiffer) as caught:
        header.check_versions()
    assert shown in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_where_another_releases_blobs_are_is_still_told():
    assert list(Header.unpack(changed(news=1)).storage.folders) == ["/a"]
    assert Header.unpack(changed(storage=...)).storage == Storage()
