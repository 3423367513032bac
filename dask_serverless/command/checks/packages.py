"""Python and the packages: those that these settings need, in versions that do."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection, Iterator
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import dask_serverless
from dask_serverless.command.checks.finding import Finding, failed, ok, warning
from dask_serverless.config import Settings

OURS = "dask-serverless"
SYSTEMS = ("Linux", "Darwin")

Installed = Callable[[str], str | None]  # a package's version, or None


def check_packages(settings: Settings) -> Iterator[Finding]:
    try:
        told = metadata(OURS)
    except PackageNotFoundError:
        yield python("", platform.python_version(), platform.system())
        where = Path(dask_serverless.__file__).parents[1]
        yield warning(OURS, f"is imported from {where}, but not installed", f"pip install {where}")
        return
    yield python(told["Requires-Python"] or "", platform.python_version(), platform.system())
    yield ok(OURS, dask_serverless.__version__)
    extras = extras_for(settings, told.get_all("Provides-Extra") or [])
    yield from packages(told.get_all("Requires-Dist") or [], extras, installed)
    yield from of_one_release(installed)


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def python(wanted: str, found: str, system: str) -> Finding:
    told = f"{found} ({platform.python_implementation()}) on {system}"
    if not SpecifierSet(wanted).contains(found, prereleases=True):
        return failed("python", f"{told}; {wanted} is needed", f"Install Python {wanted}.")
    if system not in SYSTEMS:
        return failed("python", told, "Use Linux or macOS; on Windows, the Linux subsystem (WSL).")
    return ok("python", told)


def extras_for(settings: Settings, known: Collection[str]) -> list[str]:
    """What is optional, and asked for."""
    asked = {
        str(settings.backend): True,
        str(settings.compression): settings.compression is not None,
        "dashboard": settings.dashboard is not None and settings.dashboard is not False,
    }
    return [extra for extra in known if asked.get(extra)]


def packages(
    required: Collection[str], extras: Collection[str], installed: Installed
) -> Iterator[Finding]:
    for each in map(Requirement, required):
        for extra in ("", *extras):
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                yield package(each, extra, installed(each.name))
                break  # an extra's are not asked for twice


def package(required: Requirement, extra: str, found: str | None) -> Finding:
    name, wanted = required.name, str(required.specifier)
    fix = f"pip install '{OURS}[{extra}]'" if extra else f"pip install '{name}{wanted}'"
    if found is None:
        return failed(name, "is not installed", fix)
    if not required.specifier.contains(found, prereleases=True):
        return failed(name, f"{found}, but {wanted} is needed", f"pip install '{name}{wanted}'")
    return ok(name, found)


def of_one_release(installed: Installed) -> Iterator[Finding]:
    """Dask's own two packages are made for each other."""
    dask, distributed = installed("dask"), installed("distributed")
    if distributed is not None and distributed != dask:
        told = f"{distributed} is here, beside dask {dask}"
        yield warning("distributed", told, f"pip install 'distributed=={dask}'")
