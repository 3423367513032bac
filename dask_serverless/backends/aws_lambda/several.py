"""Functions of several memory sizes as one platform: an invitation says which of them it is for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dask_serverless.backends.asking import Answer
from dask_serverless.backends.aws_lambda.functions import Function
from dask_serverless.worker.invitation import Invitation


class Functions:
    """Any thread may use them; ``usual`` is for whoever needs no certain size."""

    def __init__(self, usual: Function, of_size: Callable[[int], Function]) -> None:
        self.usual = usual
        self.of_size = of_size  # in MiB
        self.made: dict[int, Function] = {}
        self.closed = threading.Event()
        self.lock = threading.Lock()

    def invoke(self, invitation: Invitation) -> Answer:
        return self.function_for(invitation.memory_mb).invoke(invitation)

    def function_for(self, memory_mb: int) -> Function:
        if not memory_mb:
            return self.usual
        with self.lock:
            if memory_mb not in self.made:
                found = self.of_size(memory_mb)
                self.made[memory_mb] = self.usual if found.name == self.usual.name else found
            return self.made[memory_mb]

    def close(self) -> None:
        self.closed.set()
        self.usual.close()
        for function in list(self.made.values()):
            function.close()
