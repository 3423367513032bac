"""Scripts that run as clients of their own, and what they leave behind."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

PRELUDE = """\
import glob, json, os, signal, sys, threading, time
import dask
from dask import delayed
from dask_serverless import Serverless

def tell(*what):
    print(*what, flush=True)
"""
MARK = "DASK_SERVERLESS_TEST_MARK"
ROOT = Path(__file__).parent.parent


class Client:
    """A script started by a test; it and all its descendants bear a mark in their environment."""

    def __init__(
        self, folder: Path, source: str, errors: int = subprocess.PIPE, **environment: str
    ) -> None:
        self.mark = secrets.token_hex(8)
        self.temporary = Path(tempfile.mkdtemp(prefix="client-"))
        script = folder / f"script_{self.mark}.py"
        script.write_text(PRELUDE + textwrap.dedent(source))
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, str(script)],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": path,
                "TMPDIR": str(self.temporary),
                MARK: self.mark,
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

    def hear(self) -> str:
        """The next line the script prints."""
        line = self.process.stdout.readline()
        assert line, f"the script ended: {self.process.stderr.read()}"
        return line.strip()

    def say(self, word: str = "") -> None:
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def finish(self) -> str:
        """The rest of its output, once it ended well."""
        output, errors = self.process.communicate()
        assert self.process.returncode == 0, errors
        return output

    def left(self) -> dict[int, str]:
        """The processes that came from it and live, with their command lines."""
        found = {pid: commandline(pid) for pid in processes() if self.is_of_it(pid)}
        return {pid: command for pid, command in found.items() if command}  # the others are zombies

    def is_of_it(self, pid: int) -> bool:
        """A server writes its title over its environment, but the title has its folder."""
        mark = f"{MARK}={self.mark}".encode()
        return mark in content(pid, "environ").split(b"\0") or self.mine(commandline(pid))

    def mine(self, command: str) -> bool:
        return str(self.temporary) in command

    def server(self) -> int:
        (found,) = [pid for pid, command in self.left().items() if "-server unixsocket" in command]
        return found

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.process.kill()
        self.process.communicate()
        shutil.rmtree(self.temporary, ignore_errors=True)


def run_script(folder: Path, source: str, **environment: str) -> str:
    """What a script prints."""
    with Client(folder, source, **environment) as client:
        return client.finish()


def processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def content(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def commandline(pid: int) -> str:
    return content(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")


def children(pid: int) -> list[int]:
    """Processes whose parent this is, zombies left out."""
    found = []
    for candidate in processes():
        stat = content(candidate, "stat").rpartition(b")")[2].split()
        if stat and int(stat[1]) == pid and stat[0] != b"Z":
            found.append(candidate)
    return found
