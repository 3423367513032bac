"""``python -m benchmarks compare --backend docker``: both schedulers in real containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from docker_engine import BASE

from benchmarks.environment import REPOSITORY

pytestmark = pytest.mark.docker

BOUND_SECONDS = 600


def compare(*arguments):
    command = [sys.executable, "-m", "benchmarks", "compare", "--backend", "docker", *arguments]
    environment = {**os.environ, "DASK_SERVERLESS__DOCKER__BASE": BASE}
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True,
        timeout=BOUND_SECONDS,
    )  # fmt: skip


@pytest.mark.timeout(BOUND_SECONDS)
def test_both_schedulers_compute_in_containers_and_the_cold_start_is_told(daemon, tmp_path):
    file = tmp_path / "samples.json"
    done = compare(
        "--quick", "--only", "one-task", "cold-start", "--repeat", "1", "--json", str(file)
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())["graphs"]
    for peer in ("serverless", "distributed"):
        assert len(found["one-task"][peer]["samples"]) == 20
    seconds = {
        name: found[name]["serverless"]["samples"][0]["seconds"]
        for name in ("cold-start", "warmed-start")
    }
    assert min(seconds.values()) > 0
    assert "in one that was warmed" in done.stdout


def test_peers_of_another_backend_are_refused(daemon):
    done = compare("--peers", "threads")
    assert done.returncode == 1
    assert "threads: not on docker (serverless, distributed are)" in done.stderr
