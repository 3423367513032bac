"""Containers behind a URL: Knative, Cloud Run, OpenFaaS, or whatever routes requests to the image.

What is asked of the platform is to route each request to a container that has no other work, or to
answer 409, 429 or 503: then it is asked again.
"""

from __future__ import annotations

from dask_serverless.backends.asked import AskedBackend, Start
from dask_serverless.backends.http.endpoint import Endpoint
from dask_serverless.backends.http.settings import HttpSettings
from dask_serverless.signing.secret import Secret


class HttpBackend(AskedBackend):
    def __init__(
        self,
        settings: HttpSettings,
        containers: int,
        *,
        lease_seconds: float,
        secret: Secret | None = None,
    ) -> None:
        secret = secret or Secret(settings.token)  # as its containers make it
        self.answered_at_the_end = settings.wait
        super().__init__(
            "http", lambda: Endpoint(settings, secret), containers, lease_seconds, secret,
            Start("http.start_seconds", settings.start_seconds, settings.retry_after_seconds),
        )  # fmt: skip
