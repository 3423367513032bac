"""What comes of tasks that run: nothing that travels, or a lost container."""

from __future__ import annotations

from collections.abc import Sequence

from dask_serverless.errors.base import ServerlessError


class ResultNotPicklable(ServerlessError, TypeError):
    """A task's result cannot leave its container."""

    def __init__(self, function: str, reason: str) -> None:
        super().__init__(function, reason)
        self.function = function
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"What {self.function} returned cannot leave its container: it does not pickle "
            f"({self.reason}). Return data instead: lists for generators, content for open files."
        )


class ExceptionNotPicklable(ServerlessError):
    """A task raised an exception whose class is not to be had here; its stand-in derives from this."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(kind, text)
        self.kind = kind
        self.text = text

    def __str__(self) -> str:
        return f"{self.kind}: {self.text} (its class is not to be had here, so this is its text)"


class TaskExited(ServerlessError):
    """A task tried to end its process."""

    def __init__(self, function: str, shown: str) -> None:
        super().__init__(function, shown)
        self.function = function
        self.shown = shown

    def __str__(self) -> str:
        return (
            f"{self.function} tried to end its container with {self.shown}. Raise an ordinary "
            "exception in tasks, or return."
        )


class BundleLost(ServerlessError):
    """The containers that ran some tasks were lost, again and again."""

    def __init__(
        self,
        tries: int,
        why: str,
        tasks: int = 0,
        functions: Sequence[str] = (),
        keys: Sequence[object] = (),
        story: Sequence[tuple[str, str]] = (),
        hint: str = "",
    ) -> None:
        super().__init__(tries, why, tasks, functions, keys, story, hint)
        self.tries = tries
        self.why = why  # how the last container ended
        self.tasks = tasks  # how many the bundle has
        self.functions = functions  # of the first ones
        self.keys = keys  # likewise
        self.story = story  # (container, how it ended), the last ones
        self.hint = hint

    def __str__(self) -> str:
        named = [f"{f} ({k!r})" for f, k in zip(self.functions, self.keys, strict=False)]
        more = f" and {self.tasks - len(named)} more" if self.tasks > len(named) else ""
        what = f": {', '.join(named)}{more}" if named else ""
        ends = [f"{container or 'a container'}: {why}" for container, why in self.story]
        hint = self.hint or "See whether a task crashes or needs more memory."
        who = f"{self.tries} containers in a row were lost while they ran the same tasks"
        if self.tries == 1:
            who = "A container was lost while it ran its tasks"
        return "\n".join(
            [
                f"{who}{what}.",
                *["  " + end.replace("\n", "\n    ") for end in ends or [f"the last: {self.why}"]],
                f"{hint} The settings are attempts, memory and lease_seconds.",
            ]
        )


class ResultTooLarge(ServerlessError):
    """The result is larger than the client wants."""

    def __init__(self, nbytes: int, limit: int) -> None:
        super().__init__(nbytes, limit)
        self.nbytes = nbytes
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"The result has at least {self.nbytes} bytes, more than the client wants "
            f"({self.limit}). Reduce it before compute, write it from tasks (to_parquet, to_zarr), "
            "or raise the setting result_limit."
        )
