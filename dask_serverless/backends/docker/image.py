"""The image that containers run: made from what the client has installed, tagged by its content.

Two layers, each with a tag of its own: the packages, which rarely change and take seconds to
install, and this package, which a checkout changes with every edit. What is there is not built.
"""

from __future__ import annotations

import compileall
import hashlib
import importlib.metadata
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from dask_serverless.backends.docker.daemon import Daemon
from dask_serverless.backends.docker.room import building, is_full, own_remedy
from dask_serverless.errors import ImageNotBuilt

REPOSITORY = "dask-serverless"
NEEDED = ("cloudpickle", "dask", "hiredis", "msgpack", "numpy")  # what containers import
OURS = ("dask_serverless", "planners", "worker_container")
SITE = "site-packages"
INSTALL_SECONDS = 600.0
SHOWN_LINES = 12
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
FROM_PACKAGES = "ARG BASE\nFROM ${{BASE}}\nCOPY {site} /opt/dask-serverless/{site}\n"


@dataclass(frozen=True)
class Image:
    """What an image is to hold."""

    base: str
    requirements: Path | None = None
    extra: tuple[str, ...] = ()  # packages that a platform needs

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
        with building() as folder:
            self.install(folder / SITE, folder)
            (folder / "Dockerfile").write_text(FROM_PACKAGES.format(site=SITE))
            daemon.build(str(folder), tag, self.base)

    def install(self, target: Path, folder: Path) -> None:
        constraints = folder / "constraints.txt"
        constraints.write_text("\n".join(self.constraints))
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--target", str(target), "--constraint", str(constraints), *for_linux(), *self.needed,
        ]  # fmt: skip
        if self.requirements is not None:
            command += ["--requirement", str(self.requirements)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            why = f"pip did not install its packages within {INSTALL_SECONDS:.0f} s"
            raise ImageNotBuilt(why, "Is there a network to install from?") from None
        if done.returncode:
            words = "\n".join((done.stdout + done.stderr).strip().splitlines()[-SHOWN_LINES:])
            remedy = own_remedy() if is_full(words) else self.remedy
            raise ImageNotBuilt(f"pip could not install its packages:\n{words}", remedy)

    @property
    def remedy(self) -> str:
        if self.requirements is None:
            return "They are those of this client, in its versions."
        return (
            f"They are those of {self.requirements} (the setting requirements), in the versions "
            "that this client has: what differs there, make the same here."
        )

    def build_ours(self, daemon: Daemon, packages: str, tag: str) -> None:
        with building() as folder:
            for name in OURS:
                ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
                shutil.copytree(root_of(name), folder / SITE / name, ignore=ignore)
            compileall.compile_dir(folder / SITE, quiet=2)
            text = (root_of("worker_container") / "Dockerfile").read_text()
            check = f'RUN ["python3", "-P", "-m", "worker_container.check", "{minor()}"]\n'
            (folder / "Dockerfile").write_text(text + check)
            daemon.build(str(folder), tag, packages)


def minor() -> str:
    return ".".join(platform.python_version_tuple()[:2])


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


def contents(path: Path) -> Iterator[str]:
    """A file of requirements, and those that it includes."""
    text = path.read_text()
    yield text
    for line in text.splitlines():
        if match := re.match(r"\s*(?:-r|--requirement|-c|--constraint)[\s=]+(\S+)", line):
            yield from contents(path.parent / match[1])


def digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def for_linux() -> list[str]:
    """Containers run Linux, whatever the client runs."""
    if sys.platform == "linux":
        return []
    machine = MACHINES.get(platform.machine().lower(), platform.machine())
    wanted = ["--platform", f"manylinux2014_{machine}", "--python-version", minor()]
    return [*wanted, "--only-binary", ":all:"]
