"""The packages of an image: installed outside, by the client's pip, in the client's versions."""

from __future__ import annotations

import os
import platform
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen, TimeoutExpired

from dask_serverless.backends.docker.room import is_full, own_remedy
from dask_serverless.errors import ImageNotBuilt

INSTALL_SECONDS = 600.0
LOOK_SECONDS = 0.1  # how often pip is looked at
SHOWN_LINES = 12
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
INCLUDED = re.compile(r"\s*(?:-r|--requirement|-c|--constraint)[\s=]+(\S+)")


@dataclass(frozen=True)
class Packages:
    needed: Sequence[str]
    requirements: Path | None
    constraints: Sequence[str]

    def install(self, target: Path, over: threading.Event) -> None:
        """Whatever pip needs on its way stands beside the target, and goes with it."""
        constraints = target.with_name("constraints.txt")
        constraints.write_text("\n".join(self.constraints))
        for wanted in self.wanted:
            self.pip(over, target, "--constraint", str(constraints), *wanted)

    @property
    def wanted(self) -> list[list[str]]:
        """In one go; but with a hash in its file, pip wants one for whatever it is asked for."""
        if self.requirements is None:
            return [list(self.needed)]
        theirs = ["--requirement", str(self.requirements)]
        if "--hash=" in "".join(contents(self.requirements)):
            return [theirs, list(self.needed)]
        return [[*theirs, *self.needed]]

    def pip(self, over: threading.Event, target: Path, *arguments: str) -> None:
        quiet = ("--quiet", "--disable-pip-version-check", "--target", str(target))
        command = [sys.executable, "-m", "pip", "install", *quiet, *for_linux(), *arguments]
        with Popen(
            command, stdout=PIPE, stderr=STDOUT, text=True,
            env={**os.environ, "TMPDIR": str(target.parent)},
        ) as process:  # fmt: skip
            try:
                said = until_end(process, over)
            finally:
                process.kill()
        if process.returncode:
            words = "\n".join(said.strip().splitlines()[-SHOWN_LINES:])
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


def until_end(process: Popen[str], over: threading.Event) -> str:
    """What it said; it is not waited for when nobody needs it any more, nor for ever."""
    deadline = time.monotonic() + INSTALL_SECONDS
    while True:
        with suppress(TimeoutExpired):
            return process.communicate(timeout=LOOK_SECONDS)[0]
        if over.is_set():
            raise ImageNotBuilt("its client was closed meanwhile")
        if time.monotonic() > deadline:
            why = f"pip did not install its packages within {INSTALL_SECONDS:.0f} s"
            raise ImageNotBuilt(why, "Is there a network to install from?")


def contents(path: Path) -> Iterator[str]:
    """A file of requirements, and those that it includes, each once; what stands elsewhere, pip reads."""
    files = [path.resolve()]
    for file in files:  # which grow
        try:
            text = file.read_text()
        except (OSError, UnicodeError) as error:
            why = f"{file} cannot be read: {error}"
            raise ImageNotBuilt(why, f"Mend {path} (the setting requirements).") from None
        yield text
        named = [match[1] for line in text.splitlines() if (match := INCLUDED.match(line))]
        local = [(file.parent / name).resolve() for name in named if "://" not in name]
        files += [each for each in dict.fromkeys(local) if each not in files]


def minor() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def for_linux() -> list[str]:
    """Containers run Linux, whatever the client runs."""
    if sys.platform == "linux":
        return []
    machine = MACHINES.get(platform.machine().lower(), platform.machine())
    wanted = ["--platform", f"manylinux2014_{machine}", "--python-version", minor()]
    return [*wanted, "--only-binary", ":all:"]
