"""Every error that dask-serverless raises on purpose, in one tree.

An error's arguments are its data: they are attributes, they survive pickling (`args` is all that
travels), and the message is made from them when it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence

SETTING = "Serverless(store=...) or DASK_SERVERLESS__STORE"


class ServerlessError(Exception):
    """The root of every error that this package raises on purpose."""


class SettingsError(ServerlessError, ValueError):
    """A setting has a value or a name that means nothing."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(setting, problem)
        self.setting = setting
        self.problem = problem

    def __str__(self) -> str:
        return f"The setting {self.setting} {self.problem}"


class StoreError(ServerlessError):
    """Something is wrong with the store (the Redis or Valkey server)."""

    def __init__(self, url: str, *details: object) -> None:
        super().__init__(url, *details)
        self.url = url


class StoreUrlInvalid(StoreError, ValueError):
    """The store's URL cannot be understood."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(url, problem)
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"The store's URL {self.url!r} {self.problem}. Use redis://host:port/0, rediss://... "
            "(TLS), unix:///path/to/socket, redis+cluster://... or rediss+cluster://... in "
            f"{SETTING}, or leave it out for a private server."
        )


class StoreUnreachable(StoreError, ConnectionError):
    """No server answered at the store's URL."""

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(url, cause)
        self.cause = cause

    def __str__(self) -> str:
        return (
            f"No store answers at {self.url}: {self.cause}. Start or repair that server, or name "
            f"another one in {SETTING}."
        )


class StoreDenied(StoreError):
    """The store wants other credentials, or grants these too little."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.reason = reason

    def __str__(self) -> str:
        reason = self.reason.rstrip(".")
        return (
            f"The store at {self.url} refuses us: {reason}. Put the user and password into "
            f"the URL (redis://user:password@host:port) in {SETTING}."
        )


class StoreTooOld(StoreError):
    """The store's server lacks commands that the coordination needs."""

    def __init__(self, url: str, server: str, version: str, needed: str) -> None:
        super().__init__(url, server, version, needed)
        self.server = server
        self.version = version
        self.needed = needed

    def __str__(self) -> str:
        return (
            f"The store at {self.url} is {self.server} {self.version}, but {self.needed} or newer "
            f"is needed. Upgrade it, or name another server in {SETTING}."
        )


class StoreEvicts(StoreError):
    """The store throws keys away when its memory is full, so a run could lose its state."""

    def __init__(self, url: str, policy: str) -> None:
        super().__init__(url, policy)
        self.policy = policy

    def __str__(self) -> str:
        return (
            f"The store at {self.url} evicts keys when its memory is full (maxmemory-policy is "
            f"{self.policy}), so a run could lose its state. Set maxmemory-policy to noeviction "
            f"on that server, or name another server in {SETTING}."
        )


class StoreReadOnly(StoreError):
    """The store is a read-only replica."""

    def __init__(self, url: str, primary: str = "") -> None:
        super().__init__(url, primary)
        self.primary = primary

    def __str__(self) -> str:
        primary = f" ({self.primary})" if self.primary else ""
        return (
            f"The store at {self.url} is a read-only replica. Name its primary{primary} in "
            f"{SETTING}."
        )


class StoreFull(StoreError):
    """The store has reached its maxmemory and takes no more data."""

    def __init__(self, url: str, message: str) -> None:
        super().__init__(url, message)
        self.message = message

    def __str__(self) -> str:
        return (
            f"The store at {self.url} is full ({self.message}). Raise its maxmemory, or let large "
            "outputs live elsewhere with Serverless(blobs=...) or DASK_SERVERLESS__BLOBS."
        )


class StoreValueTooLarge(StoreError):
    """One value is longer than the store takes."""

    def __init__(self, url: str, command: str, nbytes: int, limit: int) -> None:
        super().__init__(url, command, nbytes, limit)
        self.command = command
        self.nbytes = nbytes
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"The store at {self.url} takes values of {self.limit} bytes at most, but {self.command} "
            f"has one of {self.nbytes}. Raise proto-max-bulk-len on that server, or let large "
            "outputs live elsewhere with Serverless(blobs=...) or DASK_SERVERLESS__BLOBS."
        )


class StoreCommandFailed(StoreError):
    """The store answered one command with an error."""

    def __init__(self, url: str, command: str, message: str) -> None:
        super().__init__(url, command, message)
        self.command = command
        self.message = message

    @property
    def code(self) -> str:
        """The first word of the server's message: what a program can compare."""
        return self.message.partition(" ")[0]

    def __str__(self) -> str:
        return f"The store at {self.url} answered {self.command} with an error: {self.message}"


class HistoryUnusable(ServerlessError):
    """What earlier runs measured cannot be read, or no more be added to it."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where = where
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"The history of measurements at {self.where} {self.problem}: this process goes on "
            "without. Begin anew with `dask serverless history --forget-all`, or name another "
            "file, or false, in Serverless(history=...) or DASK_SERVERLESS__HISTORY."
        )


class PlanRefused(ServerlessError, ValueError):
    """There is no such planner, or it made a plan that cannot be run, or none meets the goals."""

    def __init__(self, problem: str, reason: Exception | None = None) -> None:
        super().__init__(problem, reason)
        self.problem = problem
        self.reason = reason  # the planner's own error with its data, say what is possible

    def __str__(self) -> str:
        of = "settings deadline and budget" if hasattr(self.reason, "goal") else "setting planner"
        return f"{self.problem} (the {of})"


class NothingToCompare(ServerlessError, ValueError):
    """A run that has not come to its end, or had nothing to compute, is no match for its plan."""

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self.run = run

    def __str__(self) -> str:
        return (
            f"Run {self.run} cannot be compared with its plan: it failed, is still under way or had "
            "nothing to compute. Serverless.plan(x) shows what a plan foresees."
        )


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
            f"pickle ({self.reason}). Make it inside the task instead (open files, connections "
            "and locks belong there), or pass what it can be made from."
        )


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
        return "\n".join(
            [
                f"{self.tries} containers in a row were lost while they ran the same tasks{what}.",
                *["  " + end.replace("\n", "\n    ") for end in ends or [f"the last: {self.why}"]],
                f"{hint} The settings are attempts, memory and lease_seconds.",
            ]
        )


class BlobLost(ServerlessError):
    """A stored output or constant is gone or damaged."""

    def __init__(
        self,
        name: str,
        problem: str = "is gone before all tasks have used it",
        key: object = None,
    ) -> None:
        super().__init__(name, problem, key)
        self.name = name
        self.problem = problem
        self.key = key

    def __str__(self) -> str:
        of_key = f" of the key {self.key!r}" if self.key is not None else ""
        return (
            f"Stored data{of_key} ({self.name}) {self.problem}. Was the store flushed, or a folder "
            "of blobs cleaned? Compute again."
        )


class BlobsFull(ServerlessError, OSError):
    """No folder for blobs has room left."""

    def __init__(self, folders: list[str]) -> None:
        super().__init__(folders)
        self.folders = folders

    def __str__(self) -> str:
        return (
            f"No room is left for outputs in {', '.join(self.folders)}. Free some, use smaller "
            "chunks, or name a roomier place in Serverless(blobs=...) or DASK_SERVERLESS__BLOBS."
        )


class DashboardUnavailable(ServerlessError, OSError):
    """The dashboard cannot listen where it was told to."""

    def __init__(self, address: str, cause: str) -> None:
        super().__init__(address, cause)
        self.address = address
        self.cause = cause

    @property
    def in_use(self) -> bool:
        return "in use" in self.cause.lower()

    def __str__(self) -> str:
        return (
            f"The dashboard cannot listen at {self.address}: {self.cause}. Name another address in "
            "Serverless(dashboard=...), or True for the next free port."
        )


class PackageMissing(ServerlessError, ImportError):
    """Something optional was asked for, and its package is not installed."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(what, package, extra)
        self.what = what
        self.package = package
        self.extra = extra

    def __str__(self) -> str:
        return (
            f"For {self.what} the package {self.package} is needed, which is not installed: "
            f"pip install 'dask-serverless[{self.extra}]'"
        )


class RunUnreadable(ServerlessError):
    """What is stored of a watched run cannot be shown."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"This run cannot be shown: {self.problem}. Compute it anew to see it."


class RunLost(ServerlessError):
    """The store lost the run while it was under way."""

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self.run = run

    def __str__(self) -> str:
        return (
            f"The store no longer knows the run {self.run}: it was restarted or flushed. "
            "Nothing wrong was returned; compute again."
        )


class RunDamaged(ServerlessError):
    """The store lost part of a run's state: nothing is ready and nothing runs, but it is not done."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__(done, total)
        self.done = done
        self.total = total

    def __str__(self) -> str:
        return (
            f"The run cannot go on: {self.done} of {self.total} bundles are done, nothing runs, and "
            "the store has nothing ready. Keys of the run (ds:{...}) were deleted there, by hand "
            "or by another program. Nothing wrong was returned; compute again."
        )


class ContainersCutOff(ServerlessError, ConnectionError):
    """Containers come up, but cannot reach the store."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return (
            f"Containers cannot reach the store that this client uses: {self.why} Name one in "
            f"{SETTING} that both can reach."
        )


class ContainersNotStarting(ServerlessError, OSError):
    """Containers end before they have any work, again and again, or cannot be started at all."""

    def __init__(self, command: str, why: str) -> None:
        super().__init__(command, why)
        self.command = command
        self.why = why

    def __str__(self) -> str:
        how = f" (by {self.command})" if self.command else ""
        return (
            f"No container could be started{how} that lived long enough to work: {self.why} "
            "Does that command work in a shell? The settings are attempts and memory."
        )


class ExecutorUnusable(ServerlessError, RuntimeError):
    """The executor that containers are to run on takes no more calls."""

    def __init__(self, executor: str, why: str) -> None:
        super().__init__(executor, why)
        self.executor = executor
        self.why = why

    def __str__(self) -> str:
        return (
            f"The {self.executor} takes no more calls ({self.why}). Make a new one, and give it to a "
            "new Serverless(backend=...)."
        )


class PlatformUnavailable(ServerlessError, RuntimeError):
    """A backend's platform is not there, or does not do what it is asked for."""

    def __init__(self, platform: str, problem: str, remedy: str = "") -> None:
        super().__init__(platform, problem, remedy)
        self.platform = platform
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"The backend {self.platform!r} cannot be used: {self.problem}.{remedy}"


class ImageNotBuilt(ServerlessError, RuntimeError):
    """There is no image to run containers from."""

    def __init__(self, why: str, remedy: str = "") -> None:
        super().__init__(why, remedy)
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        remedy = f"\n{self.remedy}" if self.remedy else ""
        return f"The image for containers could not be built: {self.why}{remedy}"


class ContainersClosed(ServerlessError, RuntimeError):
    """The Serverless object was closed while it computed."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return (
            "This Serverless object was closed, by another thread or the end of its with block, "
            "while it computed. Close it when its last compute has returned; then compute again."
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


class VersionsDiffer(ServerlessError, RuntimeError):
    """Client and container run different versions of Python, Dask or dask-serverless."""

    def __init__(self, client: tuple[str, str, str], container: tuple[str, str, str]) -> None:
        super().__init__(client, container)
        self.client = client  # Python, Dask, dask-serverless
        self.container = container

    def __str__(self) -> str:
        said = "Python {}, Dask {} and dask-serverless {}"
        return (
            f"The client has {said.format(*self.client)}, the container "
            f"{said.format(*self.container)}: pickled code may not work across them. Install the "
            "same versions on both sides."
        )


class IllegalTransition(ServerlessError):
    """A container's state machine met an event that its state does not allow: a bug of ours."""

    def __init__(self, state: str, event: str, bundle: int, claim: str) -> None:
        super().__init__(state, event, bundle, claim)
        self.state = state
        self.event = event
        self.bundle = bundle
        self.claim = claim

    def __str__(self) -> str:
        return (
            f"A container in state {self.state} (bundle {self.bundle}, claim {self.claim}) met "
            f"{self.event}. Please report this with the run's log."
        )
