"""What a Lambda backend, and its deployment, are told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from dask_serverless.backends.docker.image_settings import ImageSettings
from dask_serverless.errors import SettingsError

MIB = 1 << 20
LEAST_MEMORY, MOST_MEMORY = 128, 10240  # MiB; AWS has nothing below or above
USUAL_MEMORY = 1769  # MiB: one core
FUNCTION = re.compile(r"[A-Za-z0-9_-]{1,48}")  # with a size it must fit AWS's 64 letters
REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d")
SUBNET, GROUP = re.compile(r"subnet-\w+"), re.compile(r"sg-\w+")


@dataclass(frozen=True, repr=False)
class LambdaSettings(ImageSettings):
    """serverless.aws_lambda in YAML, DASK_SERVERLESS__AWS_LAMBDA__… in the environment."""

    section: ClassVar[str] = "aws_lambda"
    function: str = "dask-serverless"  # the functions' common name: dask-serverless-1769, …
    region: str | None = None  # None: as the AWS configuration says (AWS_REGION, a profile)
    endpoint_url: str | None = None  # of an emulator; None: AWS itself
    start_seconds: float = 300.0  # while no container comes and none works: then a run ends
    # What only `dask serverless deploy lambda` goes by:
    requirements: str | None = None  # a requirements.txt (or lock file) for the image
    base: str | None = None  # the image to build on; None: python:X.Y-slim, with the client's X.Y
    seconds: int = 900  # a function's time limit, up to 900; work goes on elsewhere before it
    provisioned: int = 0  # containers of each size that AWS keeps warm, and charges for
    subnets: tuple[str, ...] = ()  # of the VPC in which the store is
    security_groups: tuple[str, ...] = ()  # likewise

    def __post_init__(self) -> None:
        for name in ("subnets", "security_groups"):
            object.__setattr__(self, name, self.names(name))
        self.check_names()
        for name, least, most in (("seconds", 10, 900), ("provisioned", 0, 10**6)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                self.refuse(name, f"must be a whole number from {least} to {most}")
        start = self.start_seconds
        if isinstance(start, bool) or not isinstance(start, int | float) or not 0 < start < 1e6:
            self.refuse("start_seconds", "must be a number of seconds above 0")
        self.check_image()

    def check_names(self) -> None:
        if not (isinstance(self.function, str) and FUNCTION.fullmatch(self.function)):
            self.refuse("function", "must be 1 to 48 letters, digits, hyphens and underscores")
        if self.region is not None and not REGION.fullmatch(str(self.region)):
            self.refuse("region", "must be like eu-central-1")
        if self.endpoint_url is not None:
            parts = urlsplit(str(self.endpoint_url))
            if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
                self.refuse("endpoint_url", "must be like http://localhost:4566")
        for name, form in (("subnets", SUBNET), ("security_groups", GROUP)):
            if not all(form.fullmatch(each) for each in getattr(self, name)):
                self.refuse(name, f"must hold names like {form.pattern[:-3]}0123456789abcdef0")

    def complete(self) -> LambdaSettings:
        """To be used, and not only to be there for when the backend is lambda."""
        if bool(self.subnets) != bool(self.security_groups):
            missing = "security_groups" if self.subnets else "subnets"
            self.refuse(missing, "a VPC needs subnets and security_groups")
        return self

    def names(self, name: str) -> tuple[str, ...]:
        """Several, in YAML as a list; in the environment, say, with commas between them."""
        value = getattr(self, name)
        named = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(named, list | tuple) or not all(isinstance(n, str) for n in named):
            self.refuse(name, "must be a list of names")
        return tuple(named)

    def function_of(self, memory_mib: int) -> str:
        return f"{self.function}-{memory_mib}"


def sizes_of(memory: int | tuple[int, ...] | None) -> list[int]:
    """Functions' sizes in MiB, the smallest first, from the setting memory in bytes."""
    asked = memory if isinstance(memory, tuple) else (memory,) if memory else ()
    sizes = sorted({-(-nbytes // MIB) for nbytes in asked}) or [USUAL_MEMORY]
    for size in sizes:
        if not LEAST_MEMORY <= size <= MOST_MEMORY:
            there = f"AWS Lambda has {LEAST_MEMORY} to {MOST_MEMORY} MiB"
            raise SettingsError("memory", f"is {size} MiB, but {there}.")
    return sizes
