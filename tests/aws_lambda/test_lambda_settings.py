"""What the backend lambda is told: what cannot be is refused with its name, before anything is asked."""

from __future__ import annotations

import sys
from socket import socket

import dask
import pytest
from lambda_emulators import SECRET

from dask_serverless import Serverless
from dask_serverless.backends.aws_lambda.account import Account
from dask_serverless.backends.aws_lambda.deployment import Deployment
from dask_serverless.backends.aws_lambda.payload import MOST_BYTES, packed
from dask_serverless.backends.aws_lambda.push import push
from dask_serverless.backends.aws_lambda.settings import LambdaSettings, sizes_of
from dask_serverless.command.deploy import deploy_lambda
from dask_serverless.config import Settings
from dask_serverless.errors import PackageMissing, PlatformUnavailable, SettingsError
from dask_serverless.signing.secret import Secret
from dask_serverless.worker.invitation import Invitation

STORE = "rediss://containers:password@redis.example.com:6379"
TOLD = {"backend": "lambda", "containers": 2, "store": STORE, "secret": SECRET}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"function": "a b"}, r"aws_lambda\.function is 'a b', but must be 1 to 48 letters"),
        ({"function": "x" * 49}, r"aws_lambda\.function"),
        ({"region": "Frankfurt"}, r"aws_lambda\.region is 'Frankfurt', but must be like eu-"),
        ({"endpoint_url": "localhost:4566"}, r"aws_lambda\.endpoint_url"),
        (
            {"seconds": 901},
            r"aws_lambda\.seconds is 901, but must be a whole number from 10 to 900",
        ),
        ({"seconds": True}, r"aws_lambda\.seconds"),
        ({"provisioned": -1}, r"aws_lambda\.provisioned is -1"),
        ({"subnets": 3}, r"aws_lambda\.subnets is 3, but must be a list of names"),
        ({"subnets": ["net-1"]}, r"aws_lambda\.subnets"),
        ({"requirements": "/none/such.txt"}, r"aws_lambda\.requirements .*no such file"),
        ({"base": ""}, r"aws_lambda\.base"),
    ],
)
def test_settings_that_mean_nothing(settings, problem):
    with pytest.raises(SettingsError, match=problem):
        LambdaSettings(**settings)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"containers": None}, "containers must be given"),
        ({"store": None}, "store must be given"),
        ({"store": "redis://localhost:6379"}, "which only this machine can reach"),
        ({"store": "redis://127.0.0.2:6379"}, "which only this machine can reach"),
        ({"store": "unix:///run/redis.sock"}, "which only this machine can reach"),
        ({"secret": None}, "secret must be given"),
        ({"memory": "64 MiB"}, "memory is 64 MiB, but AWS Lambda has 128 to 10240 MiB"),
        ({"memory": ["64 MiB", "2 GiB"]}, "memory is 64 MiB, but AWS Lambda has 128 to 10240 MiB"),
        ({"functions": "x"}, "did you mean 'function'"),
        ({"subnets": ["subnet-1"]}, r"aws_lambda\.security_groups .*needs subnets and"),
        ({"security_groups": ["sg-1"]}, r"aws_lambda\.subnets .*needs subnets and"),
    ],
)
def test_what_must_be_told(settings, problem):
    with pytest.raises((SettingsError, TypeError), match=problem):
        Serverless(**{**TOLD, **settings})


def test_lists_from_the_environment_have_commas():
    told = {"subnets": "subnet-1,subnet-2", "security-groups": "sg-1"}
    with dask.config.set({"serverless.aws_lambda": told}):
        own = Settings.gather(**TOLD).aws_lambda
    assert own.subnets == ("subnet-1", "subnet-2")
    assert own.security_groups == ("sg-1",)


def test_a_function_for_each_size():
    own = LambdaSettings(function="mine")
    assert [own.function_of(size) for size in sizes_of((2 << 30, 512 << 20))] == [
        "mine-512",
        "mine-2048",
    ]
    assert sizes_of(None) == [1769]


def test_without_a_region_the_error_names_the_setting(monkeypatch):
    pytest.importorskip("boto3", reason="the extra lambda has it")
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(SettingsError, match=r"aws_lambda\.region is not named"):
        Serverless(**TOLD)


def test_without_boto3_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(PackageMissing, match=r"dask-serverless\[lambda\]"):
        Serverless(**TOLD)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"memory": ("20 GiB",)}, "memory is 20480 MiB, but AWS Lambda has 128 to 10240 MiB"),
        ({"store": "redis://localhost"}, "which only this machine can reach"),
        (
            {"blobs": "gs://b/x"},
            "blobs is 'gs://b/x', but .* rights to S3 only: s3://bucket/prefix",
        ),
        ({"subnets": ("subnet-1",)}, r"aws_lambda\.security_groups"),
        ({"secret": None}, "secret must be given"),
    ],
)
def test_a_deployment_that_cannot_be_is_refused_before_aws_is_asked(settings, problem):
    pytest.importorskip("boto3", reason="the extra lambda has it")

    class Nobody(Account):
        def client(self, service):
            pytest.fail("AWS was asked")

    told = {"store": STORE, "secret": SECRET, **settings}
    nobody = Nobody("eu-central-1")
    with pytest.raises(SettingsError, match=problem):
        next(Deployment(Settings.gather(backend="lambda", **told), push, nobody).made())


def test_where_nobody_answers_credentials_are_not_what_is_missing(monkeypatch):
    pytest.importorskip("boto3", reason="the extra lambda has it")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        told = {"store": STORE, "secret": SECRET, "region": "eu-central-1"}
        with (
            dask.config.set({"serverless.aws_lambda": {"endpoint_url": url}}),
            pytest.raises(
                PlatformUnavailable, match=r"(?i)could not .*aws_lambda\.endpoint_url"
            ) as no,
        ):
            deploy_lambda(told, dry_run=True, remove=False)
    assert "AWS_PROFILE" not in str(no.value)


def test_a_deployment_without_boto3_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    with pytest.raises(PackageMissing, match=r"dask-serverless\[lambda\]"):
        deploy_lambda({"store": STORE, "secret": SECRET}, dry_run=True, remove=False)


def test_an_invitation_that_aws_would_not_take_is_refused():
    with pytest.raises(PlatformUnavailable, match="more than AWS takes"):
        packed(Invitation("run", "epoch", "", own="x" * MOST_BYTES), Secret(SECRET))


def test_nobody_is_shown_the_secret_or_the_password():
    shown = repr(Settings.gather(**TOLD)) + repr(Settings.gather(**TOLD).aws_lambda)
    assert SECRET not in shown
    assert "password@" not in shown
