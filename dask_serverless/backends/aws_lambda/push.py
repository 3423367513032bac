"""The image, made by a Docker daemon here, goes to a repository of ECR."""

from __future__ import annotations

import base64

from dask_serverless.backends.aws_lambda.account import Account
from dask_serverless.backends.docker.daemon import Daemon
from dask_serverless.backends.docker.image import Image


def push(account: Account, image: Image, uri: str) -> None:
    daemon = Daemon()
    tag = image.ready(daemon)
    told = account.client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(told["authorizationToken"]).decode().partition(":")
    daemon.push(tag, uri, user, password)
