"""A store that takes only small values, on a socket of its own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from awaiting import eventually

from dask_serverless.store.binary import find_binary


@contextmanager
def limited_store(*flags: str, limit: str = "1mb") -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="limited-") as folder:
        path = Path(folder) / "socket"
        command = [find_binary(), "--port", "0", "--unixsocket", str(path), "--save", ""]
        command += ["--dir", folder, "--proto-max-bulk-len", limit, *flags]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                eventually(path.exists)
                yield f"unix://{path}"
            finally:
                server.kill()
