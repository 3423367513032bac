"""All that `dask serverless deploy lambda` sees to: made as the settings say, or removed."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from dask_serverless.backends.aws_lambda import policies
from dask_serverless.backends.aws_lambda.account import Account
from dask_serverless.backends.aws_lambda.deployed import DeployedFunction, Wanted
from dask_serverless.backends.aws_lambda.making import granted, in_s3, reachable, secret_of
from dask_serverless.backends.aws_lambda.parts import (
    Logs,
    Part,
    PushedImage,
    Repository,
    Role,
    Step,
)
from dask_serverless.backends.aws_lambda.settings import LambdaSettings, sizes_of
from dask_serverless.backends.docker.image import Image
from dask_serverless.backends.docker.packages import MACHINES

if TYPE_CHECKING:
    from dask_serverless.config import Settings

Push = Callable[[Account, Image, str], object]  # to a place

NEEDED = ("awslambdaric", "boto3")  # of the image, beside what all containers need
NEEDED_BY_S3 = ("s3fs",)
FOREVER_SECONDS = 1e6  # AWS ends a container that has no work; what is in its memory costs nothing


class Deployment:
    def __init__(self, settings: Settings, push: Push, account: Account | None = None) -> None:
        self.settings = settings
        self.own = settings.aws_lambda or LambdaSettings()
        self.account = account or Account(self.own.region, self.own.endpoint_url)
        self.push = push
        self.image = image_of(settings)

    def parts(self) -> list[Part]:
        """Those that others need come first."""
        account, own = self.account, self.own
        repository = Repository(account, own.function)
        pushed = PushedImage(
            repository, self.image.content_tag, lambda uri: self.push(account, self.image, uri)
        )
        policy = policies.of_functions(account, own, self.settings.blobs)
        role = Role(account, f"{own.function}-{account.region}", policy)
        return [repository, pushed, role, *self.functions(pushed.uri, role.arn)]

    def functions(self, image: str, role: str) -> Iterator[Part]:
        for size in sizes_of(self.settings.memory):
            name = self.own.function_of(size)
            yield Logs(self.account, name)
            yield DeployedFunction(self.account, self.wanted(name, image, role, size))

    def wanted(self, name: str, image: str, role: str, size: int) -> Wanted:
        own = self.own
        return Wanted.of(
            name, image, machine(), role, size, own.seconds, own.provisioned,
            environment_of(self.settings),
            {"SubnetIds": sorted(own.subnets), "SecurityGroupIds": sorted(own.security_groups)},
        )  # fmt: skip

    def made(self) -> Iterator[Step]:
        """Steps that are still to be done; each is to be performed before the next is asked for."""
        self.check()
        for part in self.parts():
            yield from part.missing()

    def check(self) -> None:
        """Refuse what cannot be before anybody is asked for anything."""
        self.own.complete()
        sizes_of(self.settings.memory)
        reachable(self.settings.store, self.own)
        granted(self.settings.blobs, self.own)
        secret_of(self.settings)

    def removed(self) -> Iterator[Step]:
        """The same of what is to go: all sizes that are there."""
        sizes_of(self.settings.memory)
        for part in reversed([*self.parts(), *self.other_sizes()]):
            yield from part.left()

    def other_sizes(self) -> Iterator[Part]:
        """Functions of former deployments under this name."""
        client = self.account.client("lambda")
        named = {self.own.function_of(size) for size in sizes_of(self.settings.memory)}
        for page in client.get_paginator("list_functions").paginate():
            for found in page["Functions"]:
                name: str = found["FunctionName"]
                base, _, size = name.rpartition("-")
                if base == self.own.function and size.isdigit() and name not in named:
                    yield Logs(self.account, name)
                    yield DeployedFunction(self.account, self.wanted(name, "", "", int(size)))


def image_of(settings: Settings) -> Image:
    own = settings.aws_lambda or LambdaSettings()
    needed = (*NEEDED, *(NEEDED_BY_S3 if in_s3(settings.blobs) else ()))
    return Image(own.base_image, own.requirements_file, needed)


def environment_of(settings: Settings) -> dict[str, str]:
    told: dict[str, Any] = {
        "store": settings.store,
        "secret": settings.secret,
        "lease_seconds": settings.lease_seconds,
        "attempts": settings.attempts,
        "idle_seconds": FOREVER_SECONDS,
    }
    return {f"WORKER_{name.upper()}": str(value) for name, value in told.items()}


def machine() -> str:
    """AWS's name for what the image is made for: this machine's, as Docker builds it."""
    found = MACHINES.get(platform.machine().lower(), "x86_64")
    return "arm64" if found == "aarch64" else found
