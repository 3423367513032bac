"""``dask serverless image``: the image that container platforms run, made here."""

from __future__ import annotations

import click

from dask_serverless.backends.docker.daemon import Daemon
from dask_serverless.backends.docker.image import Image
from dask_serverless.backends.docker.settings import DockerSettings


def make(requirements: str | None, base: str | None) -> None:
    """Print its tag, and nothing else: it is for other commands."""
    settings = DockerSettings(requirements=requirements, base=base)
    click.echo(Image(settings.base_image, settings.requirements_file).ready(Daemon()))
