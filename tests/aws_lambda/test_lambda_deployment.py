"""``dask serverless deploy lambda`` against a stand-in for AWS that keeps what it is told."""

from __future__ import annotations

import json
import sys

import dask
import pytest
from click.testing import CliRunner
from lambda_account import account

from dask_serverless.command import deploy
from dask_serverless.command.cli import serverless

pytest.importorskip("moto", reason="the extra test has it")
boto3 = pytest.importorskip("boto3", reason="the extra test has it")

STORE = "rediss://containers:very-secret@redis.example.com:6379"
SECRET = "a secret that only containers share"
SIZES = ["--memory", "512 MiB", "--memory", "2 GiB"]
NAMES = ["dask-serverless-2048", "dask-serverless-512"]
PLACE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/dask-serverless:"
IMAGE = "application/vnd.docker.container.image.v1+json"
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {"mediaType": IMAGE, "size": 1, "digest": "sha256:" + 64 * "0"},
    "layers": [],
}


@pytest.fixture
def provisioned():
    with account() as counts:
        yield counts


@pytest.fixture(autouse=True)
def pushed(monkeypatch, provisioned):
    """Where images went: to push one needs a registry."""
    places = []

    def push(account, image, place):
        places.append(place)
        name, _, tag = place.rpartition("/")[2].partition(":")
        manifest = json.dumps(MANIFEST)
        account.client("ecr").put_image(repositoryName=name, imageManifest=manifest, imageTag=tag)

    monkeypatch.setattr(deploy, "push", push)
    return places


def run(*arguments, store=STORE):
    told = ["deploy", "lambda", "--store", store, *arguments]
    with dask.config.set({"serverless.secret": SECRET}):
        return CliRunner().invoke(serverless, told, catch_exceptions=False)


def deploy_all(*arguments):
    done = run(*SIZES, *arguments)
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def client(service):
    return boto3.client(service, "eu-central-1")


def functions():
    return sorted(each["FunctionName"] for each in client("lambda").list_functions()["Functions"])


def live(name):
    return client("lambda").get_function(FunctionName=name, Qualifier="live")


def test_one_function_for_each_size_as_the_settings_say(pushed):
    deploy_all("--seconds", "300")
    assert functions() == NAMES
    assert len(pushed) == 1
    assert pushed[0].startswith(PLACE)
    for name, size in zip(NAMES, (2048, 512), strict=True):
        found = live(name)
        assert found["Code"]["ImageUri"] == pushed[0]
        assert found["Configuration"]["MemorySize"] == size
        assert found["Configuration"]["Timeout"] == 300
        environment = found["Configuration"]["Environment"]["Variables"]
        assert (environment["WORKER_STORE"], environment["WORKER_SECRET"]) == (STORE, SECRET)


def test_aws_repeats_no_invocation_and_drops_old_ones():
    deploy_all()
    for name in NAMES:
        found = client("lambda").get_function_event_invoke_config(
            FunctionName=name, Qualifier="live"
        )
        assert found["MaximumRetryAttempts"] == 0
        assert found["MaximumEventAgeInSeconds"] == 60


def test_what_is_as_it_should_be_is_left_alone(pushed):
    deploy_all()
    assert deploy_all() == ["All is as it should be."]
    assert len(pushed) == 1


def test_what_has_changed_is_changed_and_nothing_else(pushed):
    deploy_all()
    before = live(NAMES[0])["Configuration"]["Version"]
    told = deploy_all("--seconds", "60")
    assert [line for line in told if "change" in line] == [
        "change Timeout of the function dask-serverless-512 …",
        "change Timeout of the function dask-serverless-2048 …",
    ]
    assert len(told) == 4  # each alias follows
    assert live(NAMES[0])["Configuration"]["Timeout"] == 60
    assert live(NAMES[0])["Configuration"]["Version"] != before
    assert len(pushed) == 1


def test_another_image_goes_to_the_functions_that_are_there(pushed, tmp_path):
    deploy_all()
    file = tmp_path / "requirements.txt"
    file.write_text("pandas\n")
    told = deploy_all("--requirements", str(file))
    assert sum("give the function" in line for line in told) == 2
    assert len(pushed) == 2
    assert {live(name)["Code"]["ImageUri"] for name in NAMES} == {pushed[1]}


def test_a_dry_run_says_what_it_would_do_and_does_nothing(pushed):
    told = deploy_all("--dry-run", "--provisioned", "2")
    assert all(line.startswith("would ") for line in told)
    assert any("make the function dask-serverless-512" in line for line in told)
    assert functions() == []
    assert pushed == []
    assert client("ecr").describe_repositories()["repositories"] == []
    really = deploy_all("--provisioned", "2")
    assert [line.removeprefix("would ") for line in told] == [
        line.removesuffix(" …") for line in really
    ]


def test_containers_are_kept_warm_where_that_is_asked_for(provisioned):
    deploy_all("--provisioned", "2")
    assert provisioned == dict.fromkeys(NAMES, 2)
    assert deploy_all("--provisioned", "2") == ["All is as it should be."]
    deploy_all()
    assert provisioned == {}


def test_what_is_removed_is_gone_whatever_sizes_there_were():
    deploy_all()
    done = run("--memory", "4 GiB", "--remove")
    assert done.exit_code == 0, done.output
    assert functions() == []
    assert client("ecr").describe_repositories()["repositories"] == []
    assert client("iam").list_roles()["Roles"] == []
    assert client("logs").describe_log_groups()["logGroups"] == []
    assert run("--remove").output == "Nothing is left.\n"


def test_another_function_of_the_account_is_left_alone():
    deploy_all()
    deploy_all("--function", "dask-serverless-mine")
    assert len(functions()) == 4
    run("--remove")
    assert functions() == ["dask-serverless-mine-2048", "dask-serverless-mine-512"]


def policy():
    found = client("iam").get_role_policy(
        RoleName="dask-serverless-eu-central-1", PolicyName="dask-serverless"
    )
    return found["PolicyDocument"]["Statement"]


def test_functions_may_do_no_more_than_they_need():
    deploy_all("--blobs", "s3://bucket/a/prefix")
    may = {action: each["Resource"] for each in policy() for action in each["Action"]}
    assert may["lambda:InvokeFunction"] == [
        "arn:aws:lambda:eu-central-1:123456789012:function:dask-serverless-*"
    ]
    assert may["s3:PutObject"] == ["arn:aws:s3:::bucket/a/prefix/*"]
    assert may["logs:PutLogEvents"] == [
        "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/dask-serverless-*:*"
    ]
    assert "*" not in [resource for each in may.values() for resource in each]
    assert not any("*" in action for action in may)
    assert "ec2:CreateNetworkInterface" not in may


def test_a_vpc_is_set_and_may_be_entered():
    ec2 = client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    there = ["--subnets", subnet, "--security-groups", group]
    deploy_all(*there)
    found = live(NAMES[0])["Configuration"]["VpcConfig"]
    assert (found["SubnetIds"], found["SecurityGroupIds"]) == ([subnet], [group])
    assert any("ec2:CreateNetworkInterface" in each["Action"] for each in policy())
    assert deploy_all(*there) == ["All is as it should be."]


def test_nothing_that_is_printed_has_the_stores_password_or_the_secret():
    for arguments in (["--dry-run"], [], ["--seconds", "60"], ["--remove"]):
        output = run(*SIZES, *arguments).output
        assert "very-secret" not in output
        assert SECRET not in output


def test_without_a_secret_nothing_is_made(monkeypatch):
    told = ["deploy", "lambda", "--store", STORE]
    done = CliRunner().invoke(serverless, told, catch_exceptions=False)
    assert "The setting secret must be given" in done.output
    assert functions() == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--memory", "64 MiB"], "The setting memory is 64 MiB, but AWS Lambda has 128 to 10240"),
        (
            ["--seconds", "5"],
            "Serverless(seconds=...) is 5, but must be a whole number from 10 to 900",
        ),
        (["--function", "a b"], "Serverless(function=...) is 'a b'"),
        (["--subnets", "subnet-1"], "aws_lambda.security_groups"),
        (["--store", "redis://localhost"], "which only this machine can reach"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_made(arguments, problem):
    done = run(*arguments)
    assert done.exit_code == 2
    assert problem in done.output
    assert functions() == []


def test_without_boto3_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    done = run()
    assert done.exit_code == 1
    assert "dask-serverless[lambda]" in done.output
