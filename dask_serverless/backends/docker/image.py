"""The image that containers run: made from what the client has installed, tagged by its content.

Two layers, each with a tag of its own: the packages, which rarely change and take seconds to
install, and this package, which a checkout changes with every edit. What is there is not built.
"""

from __future__ import annotations

import compileall
import hashlib
import importlib.metadata
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from dask_serverless.backends.docker.daemon import Daemon
from dask_serverless.backends.docker.packages import Packages, contents, minor
from dask_serverless.backends.docker.room import building
from dask_serverless.errors import ImageNotBuilt

REPOSITORY = "dask-serverless"
NEEDED = ("cloudpickle", "dask", "hiredis", "msgpack", "numpy")  # what containers import
OURS = ("dask_serverless", "planners", "worker_container")
SITE = "site-packages"
FROM_PACKAGES = "ARG BASE\nFROM ${{BASE}}\nCOPY {site} /opt/dask-serverless/{site}\n"


@dataclass(frozen=True)
class Image:
    """What an image is to hold."""

    base: str
    requirements: Path | None = None
    extra: tuple[str, ...] = ()  # packages that a platform needs
    over: threading.Event = field(default_factory=threading.Event, compare=False)  # nobody needs it

    @property
    def needed(self) -> tuple[str, ...]:
        return (*NEEDED, *self.extra)

    @property
    def content_tag(self) -> str:
        """Of the same content; unlike the tag that it has here, it can be known without a daemon."""
        return digest(self.base, *self.packages, *map(content, self.sources))

    def ready(self, daemon: Daemon) -> str:
        """Its tag, once it is there."""
        packages, tag = self.tags(daemon)
        if not daemon.has_image(tag):
            if not daemon.has_image(packages):
                self.build_packages(daemon, packages)
            self.build_ours(daemon, packages, tag)
        return tag

    def tags(self, daemon: Daemon) -> tuple[str, str]:
        """Of its packages, and of all of it; the base image is there after this."""
        base = daemon.image_id(self.base)
        packages = f"{REPOSITORY}-packages:{digest(base, *self.packages)}"
        return packages, f"{REPOSITORY}:{digest(packages, *map(content, self.sources))}"

    @cached_property
    def packages(self) -> list[str]:
        """What decides which packages are installed, and in which version."""
        wanted = "".join(contents(self.requirements)) if self.requirements else ""
        return [minor(), *self.needed, wanted, *self.constraints]

    @cached_property
    def constraints(self) -> list[str]:
        """The client's versions: what it pickles, containers must be able to read."""
        found: dict[str, str] = {}
        for (
            each
        ) in importlib.metadata.distributions():  # in the order of sys.path: the first counts
            found.setdefault(each.metadata["Name"], each.version)
        return sorted(
            f"{name}=={version}"
            for name, version in found.items()
            if name and "+" not in version and normal(name) != REPOSITORY
        )

    @cached_property
    def sources(self) -> list[Path]:
        return [path for name in OURS for path in sorted(sources_of(name))]

    def build_packages(self, daemon: Daemon, tag: str) -> None:
        with building(self.over) as folder:
            packages = Packages(self.needed, self.requirements, self.constraints)
            packages.install(folder / SITE, self.over)
            (folder / "Dockerfile").write_text(FROM_PACKAGES.format(site=SITE))
            daemon.build(str(folder), tag, self.base)

    def build_ours(self, daemon: Daemon, packages: str, tag: str) -> None:
        with building(self.over) as folder:
            for name in OURS:
                ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
                shutil.copytree(root_of(name), folder / SITE / name, ignore=ignore)
            compileall.compile_dir(folder / SITE, quiet=2)
            text = (root_of("worker_container") / "Dockerfile").read_text()
            check = f'RUN ["python3", "-P", "-m", "worker_container.check", "{minor()}"]\n'
            (folder / "Dockerfile").write_text(text + check)
            daemon.build(str(folder), tag, packages)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def root_of(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        why = f"the package {package} is not installed here"
        raise ImageNotBuilt(why, "Install dask-serverless once more.")
    return Path(next(iter(spec.submodule_search_locations)))


def sources_of(package: str) -> Iterator[Path]:
    for path in root_of(package).rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            yield path


def content(path: Path) -> str:
    return f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}"


def digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
