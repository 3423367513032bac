"""What an HTTP backend is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import SplitResult, urlsplit

from dask_serverless.backends.http.tokens import LEAST_TOKEN, problem_of
from dask_serverless.backends.own_settings import OwnSettings
from dask_serverless.errors import SettingsError

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, repr=False)
class HttpSettings(OwnSettings):
    """serverless.http in YAML, DASK_SERVERLESS__HTTP__… in the environment."""

    section: ClassVar[str] = "http"
    url: str = ""  # where the platform takes requests: https://worker-….run.app
    token: str = field(default="", repr=False)  # the containers' WORKER_TOKEN
    wait: bool = True  # a request lasts as long as its container works; else it is answered at once
    request_seconds: float = 900.0  # the platform's limit for a request, which wait=True must keep
    start_seconds: float = 300.0  # while no container comes and none works: then a run ends
    retry_after_seconds: float = 60.0  # the longest Retry-After of the platform that is heeded

    def __post_init__(self) -> None:
        if self.url != "":
            self.check_url()
        if self.token != "":
            self.check_token()
        if not isinstance(self.wait, bool):
            self.refuse("wait", "must be true or false")
        for name in ("request_seconds", "start_seconds", "retry_after_seconds"):
            seconds = getattr(self, name)
            number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
            if not number or not 0 < seconds < 1e6:
                self.refuse(name, "must be a number of seconds above 0")

    def complete(self) -> HttpSettings:
        """To be used, and not only to be there for when the backend is http."""
        for name, meaning in (
            ("url", "where the platform takes requests, like https://host/path"),
            ("token", f"the containers' WORKER_TOKEN, of {LEAST_TOKEN} letters or more"),
        ):
            if not getattr(self, name):
                problem = f"must be given with backend='http': {meaning}."
                raise SettingsError(f"http.{name}", problem)
        return self

    def check_url(self) -> None:
        parts = self.parts
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            self.refuse("url", "must be like https://host/path, without a user or password")
        if parts.query or parts.fragment:
            problem = "has a query: /invoke is added to a path. Who may ask is told by http.token"
            raise SettingsError("http.url", f"{problem}.")

    def check_token(self) -> None:
        """It is not shown."""
        if problem := problem_of(self.token):
            problem = f"must be the containers' WORKER_TOKEN, but {problem}"
            raise SettingsError("http.token", f"{problem}.")

    @property
    def parts(self) -> SplitResult:
        try:
            parts = urlsplit(str(self.url))
            parts.port  # noqa: B018 - raises where it is none
        except ValueError:
            return urlsplit("")
        return parts

    @property
    def private(self) -> bool:
        """Whether nobody on the way can read what is sent: the store's password, say."""
        return self.parts.scheme == "https" or self.parts.hostname in LOOPBACK
