"""The command: which module it imports, and a whole comparison of two small graphs."""

import json
import subprocess
import sys

from benchmarks.environment import REPOSITORY


def benchmarks(*arguments):
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


def test_without_a_name_the_commands_are_listed():
    done = benchmarks()
    assert done.returncode == 2
    assert all(
        name in done.stderr for name in ("accuracy", "compare", "dashboard", "planners", "simulate")
    )


def test_a_comparison_prints_seconds_and_writes_samples(tmp_path):
    file = tmp_path / "samples.json"
    options = ["--only", "one-task", "--peers", "threads", "synchronous", "--repeat", "1"]
    done = benchmarks("compare", *options, "--json", str(file))
    assert done.returncode == 0, done.stderr
    assert "one-task" in done.stdout and "÷ limit" in done.stdout
    written = json.loads(file.read_text())
    assert len(written["graphs"]["one-task"]["threads"]["samples"]) == 20
    assert len(written["targets"]) == 11


def test_what_a_dashboard_costs_is_told_beside_its_targets(tmp_path):
    file = tmp_path / "samples.json"
    options = ["--graph", "one-task", "--repeat", "1", "--runs", "2", "--browsers", "0"]
    done = benchmarks("dashboard", *options, "--json", str(file))
    assert done.returncode == 0, done.stderr
    assert "processor time of a run, a dashboard with 0 browsers over no dashboard" in done.stdout
    written = json.loads(file.read_text())
    assert set(written["samples"]) == {"off", "off again", "0"}
    assert all(sample["cpu"][0] > 0 for sample in written["samples"].values())
    assert written["samples"]["off"]["looking"][0] >= 0


def test_what_signing_costs_is_told_beside_its_target(tmp_path):
    file = tmp_path / "samples.json"
    done = benchmarks("signing", "--only", "one-task", "--seconds", "0", "--json", str(file))
    assert done.returncode == 0, done.stderr
    assert "time of one-task signed by unsigned" in done.stdout
    written = json.loads(file.read_text())
    (row,) = written["rows"]
    assert len(row["signed"]) == len(row["unsigned"]) >= 5
    assert [verdict["target"] for verdict in written["verdicts"]] == [1.03]
