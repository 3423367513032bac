"""What is wrong with a graph before any of it runs."""

from __future__ import annotations

from dask_serverless.errors.base import ServerlessError


class GraphError(ServerlessError, ValueError):
    """The graph cannot be run, whoever runs it."""

    def __init__(self, problem: str, key: object = None) -> None:
        super().__init__(problem, key)
        self.problem = problem
        self.key = key

    def __str__(self) -> str:
        return self.problem


class MissingKey(GraphError, KeyError):
    """A key was asked for, or is needed by a task, that the graph does not have."""

    def __init__(self, key: object) -> None:
        ServerlessError.__init__(self, key)
        self.key = key

    def __str__(self) -> str:
        return f"The graph has no key {self.key!r}, which was asked for or is needed by a task."


class FutureInGraph(GraphError):
    """The graph holds a future of a client of distributed, whose data is on that client's workers."""

    def __init__(self, key: object) -> None:
        ServerlessError.__init__(self, key)
        self.key = key

    def __str__(self) -> str:
        return (
            f"The graph holds a future of distributed ({self.key!r}): its data is on the workers of "
            "that client. Fetch it first (future.result(), client.gather(...), or .compute() of a "
            "persisted collection with scheduler=client), or compute the whole with "
            "scheduler=client."
        )


class UnsupportedTask(ServerlessError, RuntimeError):
    """A task relies on sharing memory with the client."""

    def __init__(self, problem: str, key: object) -> None:
        super().__init__(problem, key)
        self.problem = problem
        self.key = key

    def __str__(self) -> str:
        return f"{self.problem} (task {self.key!r})"


class InputNotPicklable(ServerlessError, TypeError):
    """A function or an argument cannot be sent to a container."""

    def __init__(self, key: object, what: str, reason: str) -> None:
        super().__init__(key, what, reason)
        self.key = key
        self.what = what
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"The task {self.key!r} cannot be sent to a container: its {self.what} does not "
            f"pickle ({self.reason}). Make it inside the task instead (open files and connections "
            "belong there), or pass what it can be made from; a lock that holds across containers "
            "is dask.utils.SerializableLock()."
        )
