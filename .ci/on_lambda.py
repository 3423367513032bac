"""The exam's scheduler on AWS Lambda's own emulators, around the image's handler: ``on_lambda:serverless``."""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack

from lambda_emulators import CLIENT, REGION, SECRET, region

from dask_serverless import Serverless
from dask_serverless.store.embedded import EmbeddedStore

CONTAINERS = 2


def serverless() -> Serverless:
    os.environ.update(AWS_ACCESS_KEY_ID=CLIENT, AWS_SECRET_ACCESS_KEY="test", AWS_REGION=REGION)
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    stack = ExitStack()
    atexit.register(stack.close)
    store = stack.enter_context(EmbeddedStore()).wait_ready()
    router = stack.enter_context(region(store, CONTAINERS, seconds=900))
    client = Serverless(
        backend="lambda", store=store, containers=CONTAINERS, endpoint_url=router.url, secret=SECRET
    )
    # Not entered: that would make it Dask's default, whose shuffle is another one.
    stack.callback(client.close)
    return client
