"""Credentials that mean nothing, and functions of AWS Lambda on this host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lambda_emulators import CLIENT, REGION, SECRET, region
from lambda_router import Router

from dask_serverless import Serverless


@pytest.fixture(scope="session", autouse=True)
def credentials() -> Iterator[None]:
    """Whatever goes wrong, no test reaches anybody's account."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", CLIENT)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_REGION", REGION)
        patch.delenv("AWS_PROFILE", raising=False)
        patch.setenv("AWS_CONFIG_FILE", "/dev/null")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="module")
def cloud(store_url: str) -> Iterator[Router]:
    with region(store_url, 3) as router:
        yield router


@pytest.fixture
def client(cloud: Router, store_url: str) -> Iterator[Serverless]:
    with Serverless(
        backend="lambda", store=store_url, containers=3, endpoint_url=cloud.url, secret=SECRET
    ) as client:
        yield client
