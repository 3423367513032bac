"""Each executor that exists, and a client with containers on it."""

from __future__ import annotations

import pytest
from engines import ENGINES

from dask_serverless import Serverless


@pytest.fixture(scope="module", params=list(ENGINES))
def executor(request):
    with ENGINES[request.param]() as executor:
        yield executor


@pytest.fixture(scope="module")
def client(executor):
    with Serverless(backend=executor) as client:
        yield client
