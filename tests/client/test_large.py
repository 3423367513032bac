"""Values larger than the store takes: here it takes one megabyte, as others take 512."""

from __future__ import annotations

from collections.abc import Iterator

import dask
import pytest
from dask import delayed
from store_limits import limited_store

from dask_serverless import Serverless
from dask_serverless.errors import StoreValueTooLarge
from dask_serverless.store.connect import open_link


class Heavy(Exception):
    """Its payload is larger than the store takes."""

    def __init__(self, payload):
        super().__init__(payload)


def fail():
    raise Heavy(bytes(3_000_000))


def longer(value, constant):
    return value + len(constant)


@pytest.fixture(scope="module")
def limited() -> Iterator[str]:
    with limited_store() as url:
        yield url


@pytest.fixture
def client(limited):
    with Serverless(containers=2, store=limited) as client:
        yield client
    with open_link(limited) as link:
        assert link.call(("KEYS", "*")) == [[]]


def test_small_constants_that_add_up(client):
    """Each is too small to be stored once for all, and a chain is one bundle."""
    value = 0
    for number in range(60):
        value = delayed(longer)(value, bytes([number]) * 50_000)
    assert dask.compute(value, scheduler=client) == (60 * 50_000,)


def test_an_exception_with_a_large_payload_arrives_whole(client):
    with pytest.raises(Heavy) as caught:
        dask.compute(delayed(fail)(), scheduler=client)
    assert len(caught.value.args[0]) == 3_000_000
    assert dask.compute(delayed(sum)([1, 2]), scheduler=client) == (3,)


def test_what_is_too_large_all_the_same_is_named(limited):
    """Outputs that travel inline, as the setting wants it, are one value for the store."""
    with Serverless(containers=2, store=limited, inline_bytes="8 MB") as client:
        with pytest.raises(StoreValueTooLarge, match="proto-max-bulk-len") as caught:
            dask.compute(delayed(bytes)(3_000_000), scheduler=client)
        assert caught.value.nbytes > 3_000_000
        assert dask.compute(delayed(sum)([1, 2]), scheduler=client) == (3,)
