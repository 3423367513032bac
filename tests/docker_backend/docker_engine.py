"""The engine that the tests use, and what pools leave there."""

from __future__ import annotations

import os
from typing import Any

from dask_serverless.backends.docker.daemon import LABEL, Daemon

BASE = os.environ.get("TEST_BASE_IMAGE", "dask-serverless-base:bookworm")


def left(daemon: Daemon) -> list[Any]:
    """What pools have made and not removed."""
    wanted = {"label": LABEL}
    found = [*daemon.api.containers(all=True, filters=wanted), *daemon.api.networks(filters=wanted)]
    return [each.get("Names") or each["Name"] for each in found]
