"""``dask serverless doctor --backend docker``, against a real daemon, and without one."""

from __future__ import annotations

import dask
import pytest
from click.testing import CliRunner
from docker_engine import BASE, left

from dask_serverless.command.checks.docker import limits, memory, reached
from dask_serverless.command.checks.finding import Verdict
from dask_serverless.command.cli import serverless
from dask_serverless.config import Settings
from dask_serverless.store.address import parse

pytestmark = pytest.mark.docker


def doctor(*arguments, base=BASE, containers=1, **environment):
    told = {"serverless.docker": {"base": base}, "serverless.containers": containers}
    with dask.config.set(told):
        backend = ["doctor", "--backend", "docker"]
        return CliRunner().invoke(serverless, [*backend, *arguments], env=environment)


def names(daemon):
    """Of what is there; another test's pool may still be on its way out."""
    return {str(each) for each in left(daemon)}


def test_a_daemon_that_works_is_well_and_nothing_is_left(daemon):
    before = names(daemon)
    result = doctor()
    assert result.exit_code == 0, result.output
    assert "ok       network          a container reaches redis://:***@" in result.output
    assert "ok       container" in result.output
    assert names(daemon) <= before


def test_a_store_that_containers_cannot_reach_is_told(daemon):
    before = names(daemon)
    result = doctor("--store", "redis://192.0.2.1:6379")  # an address for documentation
    assert result.exit_code == 1
    assert "failed   network          a container does not reach" in result.output
    assert names(daemon) <= before


def test_the_hosts_own_name_is_refused_before_anything_starts(daemon):
    result = doctor("--store", "redis://localhost:6379")
    assert result.exit_code == 1
    assert "which in a container is the container itself" in result.output


def test_no_daemon_is_told_with_how_to_start_one(daemon):
    result = doctor(DOCKER_HOST="unix:///none/such")
    assert result.exit_code == 1
    assert "failed   backend" in result.output
    assert "-> Start it (`systemctl start docker`" in result.output


def test_a_base_image_that_is_not_here_is_not_pulled(daemon):
    result = doctor(base="localhost:1/none/such:1")
    assert "warning  base image" in result.output
    assert "-> docker pull localhost:1/none/such:1" in result.output


def test_what_a_daemon_cannot_limit_is_told():
    assert limits({"MemoryLimit": True, "SwapLimit": True}).verdict is Verdict.OK
    found = limits({"MemoryLimit": True, "SwapLimit": False})
    assert (found.verdict, found.told.split()[0]) == (Verdict.WARNING, "swap")


def test_more_memory_than_there_is_is_told():
    settings = Settings.gather(backend="docker", containers=4, memory=["1 GiB", "2 GiB"])
    assert memory({"MemTotal": 16 << 30}, settings).verdict is Verdict.OK
    found = memory({"MemTotal": 4 << 30}, settings)
    assert (found.verdict, found.fix[:24]) == (Verdict.WARNING, "Serverless(containers=2)")


def test_a_base_image_without_python_or_with_another_one_is_told():
    address = parse("redis://:password@10.0.0.1")
    (found,) = reached("exec: python3: not found", address, "base")
    assert found.verdict is Verdict.FAILED
    other, network = reached("2.7\nreached", address, "base")
    assert (other.verdict, network.verdict) == (Verdict.FAILED, Verdict.OK)
