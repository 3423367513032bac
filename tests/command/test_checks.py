"""What findings are made of what was found out."""

from __future__ import annotations

import pytest

from dask_serverless.command.checks.bounded import findings_of
from dask_serverless.command.checks.finding import Verdict, failed_by, ok
from dask_serverless.command.checks.http import compared
from dask_serverless.command.checks.machine import open_files
from dask_serverless.command.checks.packages import packages, python
from dask_serverless.command.checks.server import Clocks, access, clock, judged, round_trip
from dask_serverless.errors import PackageMissing, StoreEvicts, StoreTooOld
from dask_serverless.store.address import parse

OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED


def test_an_error_is_told_apart_from_what_to_do_about_it() -> None:
    found = failed_by("server", StoreEvicts("redis://host:6379", "allkeys-lru"))
    assert found.told.startswith("The store at redis://host:6379 evicts keys")
    assert found.fix.startswith("Set maxmemory-policy to noeviction")
    old = failed_by("server", StoreTooOld("redis://host:6379", "Redis", "5.0.3", "Redis 6.2"))
    assert old.told.endswith("but Redis 6.2 or newer is needed")
    assert failed_by("x", PackageMissing("blobs", "s3fs", "s3")).verdict is FAILED


@pytest.mark.parametrize(
    "version, system, verdict",
    [("3.12.1", "Linux", OK), ("3.10.2", "Linux", FAILED), ("3.12.1", "Windows", FAILED)],
)
def test_python_and_its_system(version: str, system: str, verdict: Verdict) -> None:
    assert python(">=3.11", version, system).verdict is verdict


def test_packages_are_those_of_the_extras_that_are_asked_for() -> None:
    required = ["numpy>=1.24", "lz4; extra == 'lz4'", "docker>=7.0; extra == 'docker'"]
    installed = {"numpy": "1.20", "docker": "7.1"}.get
    found = {each.what: each for each in packages(required, ["docker"], installed)}
    assert {name: each.verdict for name, each in found.items()} == {"numpy": FAILED, "docker": OK}
    assert found["numpy"].fix == "pip install 'numpy>=1.24'"
    (lz4,) = [each for each in packages(required, ["lz4"], installed) if each.what == "lz4"]
    assert lz4.fix == "pip install 'dask-serverless[lz4]'"


def test_a_clock_that_is_off_is_told_unless_the_look_at_it_took_as_long() -> None:
    assert clock(Clocks(0.001, 0.2)).verdict is OK
    assert clock(Clocks(0.001, -3.0)).verdict is WARNING
    assert "3.000 s behind" in clock(Clocks(0.001, -3.0)).told
    assert clock(Clocks(4.0, 3.0)).verdict is OK


def test_a_store_far_away_is_told() -> None:
    assert round_trip(0.0005).verdict is OK
    assert round_trip(0.08).verdict is WARNING


@pytest.mark.parametrize(
    "url, verdict",
    [
        ("unix:///tmp/socket", OK),
        ("rediss://:password@host", OK),
        ("redis://:password@localhost", OK),
        ("redis://:password@host", WARNING),
        ("redis://localhost", WARNING),
    ],
)
def test_who_can_write_can_run_code(url: str, verdict: Verdict) -> None:
    assert access(parse(url)).verdict is verdict


def test_everything_that_is_wrong_with_a_server_is_told_at_once() -> None:
    told = {"redis_version": "5.0.1", "maxmemory_policy": "volatile-lru", "role": "slave"}
    found = [each.told for each in judged(parse("redis://host"), told, "default")]
    assert len([each for each in found if "5.0.1, but" in each]) == 1
    assert len([each for each in found if "evicts keys" in each]) == 1
    assert len([each for each in found if "read-only replica" in each]) == 1


def test_more_containers_than_open_files_are_told() -> None:
    assert open_files(1024, 8).verdict is OK
    assert open_files(256, 100).verdict is WARNING
    assert open_files(-1, 10_000).verdict is OK


def test_containers_that_are_not_like_the_client() -> None:
    ours = {"python": "3.12.4", "dask": "2026.8.0", "pandas": "2.2.3"}
    assert [each.verdict for each in compared(ours, ours)] == [OK]
    assert [each.verdict for each in compared({**ours, "python": "3.12.9"}, ours)] == [WARNING]
    (other,) = compared({"python": "3.11.2", "dask": "2026.8.0"}, ours)
    assert other.verdict is FAILED
    assert "pandas missing (here 2.2.3)" in other.told


def test_a_check_that_breaks_is_a_finding_and_what_it_found_before_is_kept() -> None:
    def breaking():
        yield ok("one", "is well")
        raise ZeroDivisionError("two")

    first, second = findings_of("numbers", breaking, 10.0)
    assert first == ok("one", "is well")
    assert (second.verdict, second.told) == (FAILED, "ZeroDivisionError: two")
