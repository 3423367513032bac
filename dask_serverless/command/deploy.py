"""``dask serverless deploy …``: what a platform needs is made, or removed, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from dask_serverless.backends.aws_lambda.account import refusing
from dask_serverless.backends.aws_lambda.deployment import Deployment
from dask_serverless.backends.aws_lambda.parts import Step
from dask_serverless.backends.aws_lambda.push import push
from dask_serverless.config import Settings


def deploy_lambda(told: Mapping[str, Any], dry_run: bool, remove: bool) -> None:
    """``told`` are settings of which None means what is configured."""
    given = {name: value for name, value in told.items() if value not in (None, ())}
    settings = Settings.gather(backend="lambda", **given)
    with refusing():
        deployment = Deployment(settings, push)
        count = carry_out(deployment.removed() if remove else deployment.made(), dry_run)
    if not count:
        click.echo("Nothing is left." if remove else "All is as it should be.")


def carry_out(steps: Iterator[Step], dry_run: bool) -> int:
    """How many there were."""
    count = 0
    for step in steps:
        count += 1
        click.echo(f"would {step.told}" if dry_run else f"{step.told} …")
        if not dry_run:
            step.perform()
    return count
