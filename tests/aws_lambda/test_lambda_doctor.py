"""``dask serverless doctor --backend lambda``, against functions that run in emulators of this host."""

from __future__ import annotations

import dask
import pytest
from click.testing import CliRunner
from lambda_emulators import SECRET, region

from dask_serverless.command.checks.aws_lambda import check_lambda
from dask_serverless.command.checks.bounded import findings_of
from dask_serverless.command.cli import serverless
from dask_serverless.config import Settings


def doctor(url, store, secret=SECRET):
    told = {
        "serverless.aws_lambda": {"endpoint_url": url},
        "serverless.containers": 1,
        "serverless.secret": secret,
    }
    with dask.config.set(told):
        named = ["--backend", "lambda", "--store", store]
        return CliRunner().invoke(serverless, ["doctor", *named])


def test_a_function_that_works_is_well_and_nothing_is_left(cloud, store_url, link):
    result = doctor(cloud.url, store_url)
    assert result.exit_code == 0, result.output
    assert "ok       function         dask-serverless-1769 came, reached the store" in result.output
    assert SECRET not in result.output
    assert link.call(("KEYS", "*"))[0] == []


def test_a_function_that_cannot_reach_the_store_is_told(store_url):
    with region("unix:///nowhere", 1) as cloud:
        result = doctor(cloud.url, store_url)
    assert result.exit_code == 1
    assert "failed   function         Containers cannot reach the store" in result.output


def test_a_client_that_may_not_invoke_it_is_told(cloud, store_url):
    cloud.denied = "AccessDeniedException"
    try:
        result = doctor(cloud.url, store_url)
    finally:
        cloud.denied = ""
    assert result.exit_code == 1
    assert "docs/lambda.md has the policy" in result.output


def test_whose_account_it_is():
    settings = Settings.gather(
        backend="lambda", store="redis://store.example.com", containers=1, secret=SECRET
    )
    moto = pytest.importorskip("moto", reason="the extra test has it")
    with moto.mock_aws():
        first, *_ = findings_of("lambda", lambda: check_lambda(settings), 60.0)
    assert (first.what, first.verdict.value) == ("credentials", "ok")
    assert "123456789012" in first.told
