"""What keeps containers from working: they do not start, or do not fit the client."""

from __future__ import annotations

from dask_serverless.errors.base import SETTING, ServerlessError


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
        shell = " Does that command work in a shell?" if self.command else ""
        why = self.why.rstrip().removesuffix(".")
        why += "" if why.endswith("?") else "."
        return (
            f"No container could be started{how} that lived long enough to work: {why}{shell} "
            "The settings are attempts and, where containers have a limit, memory."
        )


class ContainersAbsent(ServerlessError, TimeoutError):
    """A platform was asked for containers, and none has come."""

    def __init__(self, seconds: int, standing: str, setting: str) -> None:
        super().__init__(seconds, standing, setting)
        self.seconds = seconds
        self.standing = standing  # what it has answered
        self.setting = setting

    def __str__(self) -> str:
        return (
            f"No container has come for {self.seconds} s: {self.standing}. Look whether the "
            "platform has any, and what its own log says of them (`dask serverless doctor` asks for "
            f"one). If they take longer to start, raise the setting {self.setting}."
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
