"""An AWS account, through boto3: whose it is, where, and its refusals as errors of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from dask_serverless.backends.aws_lambda.functions import remedy, with_boto3
from dask_serverless.errors import PlatformUnavailable, SettingsError

ABSENT = {  # what AWS says, service by service, of a thing that is not there
    "NoSuchEntity", "ProvisionedConcurrencyConfigNotFoundException", "RepositoryNotFoundException",
    "RepositoryPolicyNotFoundException", "ImageNotFoundException", "ResourceNotFoundException",
}  # fmt: skip


class Account:
    def __init__(self, region: str | None, endpoint_url: str | None = None) -> None:
        with with_boto3():
            import boto3
        self.endpoint_url = endpoint_url
        self.clients: dict[str, Any] = {}
        self.session = boto3.Session(region_name=region or os.environ.get("AWS_REGION"))
        if self.session.region_name is None:
            problem = "is not named, and neither AWS_REGION nor a profile does."
            raise SettingsError("aws_lambda.region", problem)
        self.region: str = self.session.region_name
        self.partition: str = self.session.get_partition_for_region(self.region)

    def client(self, service: str) -> Any:
        """Made once: that takes longer than most requests."""
        if service not in self.clients:
            made = self.session.client(service, endpoint_url=self.endpoint_url)
            self.clients[service] = made
        return self.clients[service]

    @cached_property
    def number(self) -> str:
        return str(self.client("sts").get_caller_identity()["Account"])

    def arn(self, service: str, rest: str, everywhere: bool = False) -> str:
        region = "" if everywhere else self.region
        return f"arn:{self.partition}:{service}:{region}:{self.number}:{rest}"


@contextmanager
def refusing() -> Iterator[None]:
    """Whatever AWS has against it, in one line."""
    with with_boto3():  # before any account is asked for
        from botocore.exceptions import BotoCoreError, ClientError
    try:
        yield
    except ClientError as error:
        raise PlatformUnavailable("lambda", str(error).rstrip(".")) from None
    except BotoCoreError as error:
        raise PlatformUnavailable("lambda", str(error).rstrip("."), remedy(error)) from None


@contextmanager
def perhaps_absent() -> Iterator[None]:
    """To ask for, or to remove, a thing that may not be there."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in ABSENT:
            raise
