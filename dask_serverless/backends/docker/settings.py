"""What a Docker backend is told."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from dask.utils import format_bytes, parse_bytes

from dask_serverless.backends.docker.image_settings import ImageSettings
from dask_serverless.errors import SettingsError

MIB = 1 << 20
LAMBDA_CORE_BYTES = 1769 * MIB  # AWS Lambda gives one core for so much memory
LEAST_MEMORY = 128 * MIB  # an empty container takes most of it
USUAL_MEMORY = 2048 * MIB
USUAL_TMP = 256 * MIB


@dataclass(frozen=True, repr=False)
class DockerSettings(ImageSettings):
    """serverless.docker in YAML, DASK_SERVERLESS__DOCKER__… in the environment."""

    section: ClassVar[str] = "docker"
    requirements: str | None = None  # a requirements.txt (or lock file) for the image
    base: str | None = None  # the image to build on; None: python:X.Y-slim, with the client's X.Y
    cpus: float | None = None  # of each container; None: by its memory, as AWS Lambda does
    pids: int = 256  # processes and threads in a container
    tmp: int = USUAL_TMP  # bytes in /tmp ("1 GiB"), a part of the container's memory
    warm: int = 0  # containers that start at once, and stay while they have no work

    def __post_init__(self) -> None:
        if isinstance(self.tmp, str):
            with suppress(ValueError, OverflowError):
                object.__setattr__(self, "tmp", parse_bytes(self.tmp))
        self.check_image()
        if self.cpus is not None and not (number(self.cpus) and 0.01 <= self.cpus < 1024):
            self.refuse("cpus", "must be a number of cores from 0.01 on")
        whole = "must be a whole number from {} on"
        for name, least, problem in (
            ("pids", 32, whole),
            ("tmp", MIB, 'must be a number of bytes from 1 MiB on, like 1000000000 or "256 MiB"'),
            ("warm", 0, whole),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                self.refuse(name, problem.format(least))

    def check_against(self, memory_bytes: int, containers: int | None) -> None:
        """What the other settings say of the largest container, and of how many there may be."""
        if self.tmp >= memory_bytes and self.tmp != USUAL_TMP:
            raise SettingsError(
                "docker.tmp",
                f"is {format_bytes(self.tmp)}, but /tmp is a part of a container's memory, which is "
                f"{format_bytes(memory_bytes)}: ask for less of it, or raise the setting memory.",
            )
        if containers is not None and self.warm > containers:
            problem = f"must be no more than the setting containers, which is {containers}"
            self.refuse("warm", problem)

    def cpus_for(self, memory_bytes: int, there: int) -> float:
        """A daemon refuses more than its machine has."""
        wanted = self.cpus or memory_bytes / LAMBDA_CORE_BYTES
        return min(float(there), max(0.05, math.ceil(100 * wanted) / 100))


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
