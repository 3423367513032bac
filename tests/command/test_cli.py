"""The command line, as a user meets it: in processes of its own, from the entry point on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import dask.array as da
import pytest
from click.testing import CliRunner

from dask_serverless.client.report import RunReport
from dask_serverless.command.cli import serverless
from dask_serverless.command.demo import computation
from dask_serverless.command.demo.where import where_the_time_went

WIDTH = 80
NOBODY = "redis://someone:hush@localhost:1"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dask", "serverless", *arguments],
        check=False,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.fixture(scope="module")
def shown() -> Iterator[subprocess.CompletedProcess[str]]:
    yield run("demo", "--size", "small", "--containers", "2")


def test_the_demo_shows_a_right_result_and_where_the_time_went(
    shown: subprocess.CompletedProcess[str],
) -> None:
    assert shown.returncode == 0, shown.stderr
    assert "2 containers" in shown.stdout
    assert "a private server" in shown.stdout
    assert shown.stdout.count("100% Completed") == len(
        computation.parts(computation.SIZES["small"], 0)
    )
    assert "Dask's own threaded scheduler computes the same" in shown.stdout
    for phase in ("translate", "plan", "encode", "wait", "collect"):
        assert re.search(rf"^  {phase} +\d+\.\d", shown.stdout, re.MULTILINE)
    assert re.search(r"^  local-\w+-\d +\d+ +[\d.]+ +[\d.]+ +[\d.]+$", shown.stdout, re.MULTILINE)
    assert re.search(r"[1-9]\d* store calls", shown.stdout)


def test_the_demo_compares_with_distributed_or_says_how_to(
    shown: subprocess.CompletedProcess[str],
) -> None:
    if find_spec("distributed") is None:
        assert "pip install 'dask[distributed]'" in shown.stdout
    else:
        assert re.search(r"^  array +[\d.]+ +[\d.]+ +[\d.]+ x$", shown.stdout, re.MULTILINE)


def test_the_demo_reads_well_in_a_file(shown: subprocess.CompletedProcess[str]) -> None:
    assert "\r" not in shown.stdout
    assert "\x1b" not in shown.stdout
    assert shown.stdout.isascii()
    assert [line for line in shown.stdout.splitlines() if len(line) > WIDTH] == []
    assert shown.stderr == ""


def test_the_demo_runs_on_a_store_that_is_named(store_url: str) -> None:
    result = run("demo", "--size", "small", "--no-compare", "--store", store_url)
    assert result.returncode == 0, result.stderr
    assert f"store: {store_url}" in result.stdout
    assert "distributed" not in result.stdout


def test_a_wrong_result_is_said_and_ends_with_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(size: computation.Size, seed: int) -> da.Array:
        return da.ones(4, chunks=2).map_blocks(lambda block: block + os.getpid())

    monkeypatch.setattr(computation, "heat_days", wrong)
    result = CliRunner().invoke(serverless, ["demo", "--size", "small", "--no-compare"])
    assert result.exit_code == 1
    assert "WRONG RESULT (array)" in result.output


def test_what_differs_is_named() -> None:
    parts = computation.parts(computation.SIZES["small"], 0)
    other = computation.parts(computation.SIZES["small"], 1)
    expected = {name: each.compute(scheduler="sync") for name, each in parts.items()}
    found = {**expected, "array": other["array"].compute(scheduler="sync")}
    assert computation.differing(expected, expected) == []
    assert computation.differing(expected, found) == ["array"]
    assert computation.differing(expected, {}) == list(expected)


def test_ctrl_c_ends_the_demo_without_a_traceback() -> None:
    command = [sys.executable, "-m", "dask", "serverless", "demo", "--no-compare"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Array"):  # the computation begins
            break
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=60)
    assert errors.strip() == "Interrupted."
    # Python ends itself by the signal, for shells the same, where Ctrl-C came while it ran a string, as
    # it does for each dataclass that it imports; whoever catches that makes no difference.
    assert process.returncode in (130, -signal.SIGINT)


@pytest.mark.parametrize(
    "arguments, status, told",
    [
        (["demo", "--size", "huge"], 2, "'huge' is not one of"),
        (["demo", "--containers", "0"], 2, "0 is not in the range"),
        (["demo", "--containers", "many"], 2, "'many' is not a valid integer"),
        (["demo", "--store", "nonsense"], 2, "'nonsense' has no scheme"),
        (["demo", "--store", NOBODY], 1, "No store answers at redis://someone:***@localhost:1"),
        (["demo", "--sise", "small"], 2, "No such option"),
        (["dance"], 2, "No such command 'dance'"),
    ],
    ids=["size", "no containers", "containers", "URL", "unreachable", "option", "command"],
)
def test_bad_input_gets_one_clear_line(arguments: list[str], status: int, told: str) -> None:
    result = CliRunner().invoke(serverless, arguments)
    assert result.exit_code == status
    *_, last = result.output.strip().splitlines()
    assert last.startswith("Error: ")
    assert told in last
    assert "hush" not in result.output


def test_a_bad_setting_gets_one_clear_line() -> None:
    result = run("demo", DASK_SERVERLESS__ATTEMPTS="many")
    assert result.returncode == 2
    assert "DASK_SERVERLESS__ATTEMPTS) is 'many'" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_an_unknown_planner_gets_one_clear_line() -> None:
    result = run("demo", DASK_SERVERLESS__PLANNER="wukon")
    assert result.returncode == 2
    assert "Did you mean 'wukong'?" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_help_does_not_wait_for_numpy() -> None:
    """The dask command imports this whatever it was called for."""
    script = (
        "import sys, dask_serverless.command.cli; "
        "print([m for m in ('numpy', 'pandas', 'dask.array', 'distributed') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_dask_knows_the_commands() -> None:
    assert (
        "serverless"
        in subprocess.run(
            [sys.executable, "-m", "dask", "--help"], capture_output=True, text=True, check=True
        ).stdout
    )
    told = run("--help").stdout
    assert re.search(r"^  demo ", told, re.MULTILINE)
    assert re.search(r"^  info ", told, re.MULTILINE)


def test_info_tells_what_a_bug_report_needs() -> None:
    result = run("info")
    assert result.returncode == 0, result.stderr
    for what in (r"python +3\.", r"dask +20", "cores", "shared memory", r"starts +yes, (Valk|Red)"):
        assert re.search(rf"^  {what}", result.stdout, re.MULTILINE), what


def test_info_says_where_each_setting_comes_from(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("serverless:\n  idle-seconds: 5\n  attempts: 4\n")
    result = run("info", DASK_CONFIG=str(tmp_path), DASK_SERVERLESS__ATTEMPTS="7")
    told = " ".join(result.stdout.split())
    assert f"idle_seconds 5.0 ({tmp_path / 'mine.yaml'})" in told
    assert "attempts 7 (DASK_SERVERLESS__ATTEMPTS)" in told
    assert "containers null (default)" in told


def test_info_shows_no_password_and_fails_when_the_store_would() -> None:
    result = CliRunner().invoke(serverless, ["info", "--store", NOBODY])
    assert result.exit_code == 1
    assert "No store answers at" in result.output
    assert "redis://someone:***@localhost:1  (the command line)" in result.output
    assert "hush" not in result.output
    assert "inline_bytes" in result.output, "the rest is shown all the same"


def test_the_table_of_times_has_a_column_for_each_computation() -> None:
    mine = {"x": {"bundles": 1, "fetch": 0.001, "run": 0.5, "store": 0.002}}
    yours = {"x": {"bundles": 1, "fetch": 0.0, "run": 0.25, "store": 0.0}}
    one = RunReport("1", 10, 2, container_calls=3, bytes_moved=2048, containers=mine)
    other = RunReport("2", 5, 2, container_calls=1, containers=yours)
    table = where_the_time_went({"array": one, "dataframe": other})
    assert re.search(r"client +array +dataframe", table)
    assert re.search(r"x +2 +1\.0 +750\.0 +2\.0", table)
    assert "15 tasks in 4 bundles" in table
    assert "4 store calls, 1.0 a bundle; 2.00 kiB stored" in table
