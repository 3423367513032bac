"""AWS Lambda: whose account this is, and what a container of the function says it reaches."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from dask_serverless.backends.aws_lambda.account import Account, refusing
from dask_serverless.backends.aws_lambda.checking import KEY, KEY_SECONDS, verdict
from dask_serverless.backends.aws_lambda.functions import Function
from dask_serverless.backends.aws_lambda.making import lambda_backend
from dask_serverless.backends.aws_lambda.settings import LambdaSettings
from dask_serverless.command.checks.finding import Finding, failed_by, ok
from dask_serverless.command.checks.http import refused
from dask_serverless.config import Settings
from dask_serverless.store.connect import open_link
from dask_serverless.store.link import Link

PATIENCE_SECONDS = 3.0  # with the store


def check_lambda(settings: Settings) -> Iterator[Finding]:
    told = settings.aws_lambda or LambdaSettings()
    if told.endpoint_url is None:  # an emulator knows no accounts
        with refusing():
            account = Account(told.region)
            yield ok("credentials", f"for the account {account.number}, in {account.region}")
    backend = lambda_backend(settings)
    with open_link(backend.store_url, PATIENCE_SECONDS) as link:
        for memory_mb in backend.sizes:
            yield asked(backend.function_of(memory_mb), link)


def asked(function: Function, link: Link) -> Finding:
    """A container is started, and looks for what is in the store for it."""
    from botocore.exceptions import BotoCoreError, ClientError

    key = f"{KEY}{secrets.token_hex(8)}"
    link.call(("SET", key, 1, "EX", KEY_SECONDS))
    try:
        error = verdict(function.name, function.check(key))
    except ClientError as denied:
        return refused("function", function.refused(denied))
    except BotoCoreError as broken:
        return refused("function", function.unreached(broken))
    finally:
        link.call(("DEL", key))
    if error is not None:
        return failed_by("function", error)
    return ok("function", f"{function.name} came, reached the store, and may invoke others")
