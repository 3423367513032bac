"""What can be wrong with the store, or with data that was put somewhere."""

from __future__ import annotations

from dask_serverless.errors.base import SETTING, ServerlessError

# What servers say to a user whom they know: the first word of a reply, or of a script's command in
# Redis 7 and in 6.2.
FORBIDS = ("NOPERM", "ACL failure in script", "The user executing the script can't")


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


class StoreEnded(StoreUnreachable):
    """The private server ended while it was in use."""

    def __str__(self) -> str:
        return (
            f"The private store at {self.url} has ended (killed, or out of memory?): {self.cause}. "
            "Nothing wrong was returned; compute again, which starts another one."
        )


class StoreDenied(StoreError):
    """The store wants other credentials, or grants these too little."""

    def __init__(self, url: str, reason: str, rights: str = "") -> None:
        super().__init__(url, reason, rights)
        self.reason = reason
        self.rights = rights  # that its user would need, where it is known which

    @property
    def known(self) -> bool:
        """Whether the store knows the user, who has too few rights."""
        return any(words in self.reason for words in FORBIDS)

    def __str__(self) -> str:
        remedy = (
            f"Put the user and password into the URL (redis://user:password@host:port) in {SETTING}"
        )
        if self.known:
            needed = f"rights: {self.rights}" if self.rights else "a right"
            remedy = f"Its user lacks {needed}. Grant what docs/security.md has for this"
        return f"The store at {self.url} refuses us: {self.reason.rstrip('.')}. {remedy}."


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


class NotAuthentic(ServerlessError):
    """Something in the store, or in an invitation, is not from this client or its containers."""

    def __init__(self, what: str, run: str, problem: str) -> None:
        super().__init__(what, run, problem)
        self.what = what
        self.run = run
        self.problem = problem

    def __str__(self) -> str:
        of_run = f" of the run {self.run}" if self.run else ""
        return (
            f"Refused: {self.what}{of_run} {self.problem}. Nothing of it was used. Somebody else "
            "writes to the store or to the place of blobs: change its passwords (docs/security.md "
            "has the rights that suffice). Containers that are deployed apart must have the "
            "client's setting secret as WORKER_SECRET."
        )


class InvitationExpired(NotAuthentic):
    """An invitation came long after it was made, or a clock is wrong."""


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


class BlobsUnusable(ServerlessError, OSError):
    """The place that the setting blobs names does not take or give what is asked of it."""

    def __init__(self, problem: str, why: str) -> None:
        super().__init__(problem, why)
        self.problem = problem
        self.why = why

    def __str__(self) -> str:
        return (
            f"The place that the setting blobs names {self.problem}: {self.why.rstrip('.')}. Repair "
            "that (`dask serverless doctor` tries it), or name another one in "
            "Serverless(blobs=...) or DASK_SERVERLESS__BLOBS."
        )


class BlobTooLarge(ServerlessError, OSError):
    """An output is larger than this system lets a file be."""

    def __init__(self, folders: list[str], nbytes: int) -> None:
        super().__init__(folders, nbytes)
        self.folders = folders
        self.nbytes = nbytes

    def __str__(self) -> str:
        return (
            f"An output of {self.nbytes} bytes is larger than a file may be in "
            f"{', '.join(self.folders)}. Raise that limit (ulimit -f shows it), use smaller chunks, "
            "or name another place in Serverless(blobs=...) or DASK_SERVERLESS__BLOBS."
        )
