"""Apart: containers of this host that are told nothing of sharing it with anybody.

Containers of one host pass large outputs to one another as files in shared memory. These use the
store for all of it, as they would on hosts of their own; the way there is whatever the store's
address leads through. Invocations and cold starts take as much longer as they are told to.
"""

from __future__ import annotations

from dask_serverless.backends.local import LocalBackend

START = (
    "import sys; folder = sys.argv.pop(1); "
    "folder in sys.path or sys.path.insert(0, folder); "
    "from benchmarks.network.delayed import live; live({invoke!r}, {cold!r})"
)


class Apart(LocalBackend):
    same_host = False

    def __init__(
        self,
        containers: int,
        *,
        invoke_seconds: float = 0.0,
        cold_seconds: float = 0.0,
        idle_seconds: float = 60.0,
    ) -> None:
        super().__init__(containers, idle_seconds=idle_seconds)
        if invoke_seconds or cold_seconds:
            self.program = START.format(invoke=invoke_seconds, cold=cold_seconds)
