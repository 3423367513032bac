"""AWS Lambda as a backend: each invocation is asynchronous, so what becomes of it is in the store."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from dask_serverless.backends.asked import AskedBackend, Start
from dask_serverless.backends.asking import LONGEST_PAUSE_SECONDS, PATIENCE_SECONDS, Answer
from dask_serverless.backends.aws_lambda.checking import KEY, KEY_SECONDS, verdict
from dask_serverless.backends.aws_lambda.functions import AT_ONCE, Function, lambda_client
from dask_serverless.backends.aws_lambda.settings import LambdaSettings
from dask_serverless.backends.aws_lambda.several import Functions
from dask_serverless.backends.base import Loss
from dask_serverless.errors import ServerlessError, StoreError
from dask_serverless.signing.secret import Secret
from dask_serverless.store.connect import open_link
from dask_serverless.worker.invitation import Invitation


class LambdaBackend(AskedBackend):
    at_once = AT_ONCE

    def __init__(
        self,
        settings: LambdaSettings,
        sizes_mb: Sequence[int],  # of functions' memory, the smallest first
        containers: int,
        *,
        store: str,
        lease_seconds: float,
        secret: Secret,
    ) -> None:
        self.settings = settings
        self.sizes = sizes_mb
        self.shared = secret
        self.store_url = store
        self.refusal: ServerlessError | None = None
        self.checked: threading.Thread | None = None
        self.connect = partial(lambda_client, settings.region, settings.endpoint_url)
        start = Start("aws_lambda.start_seconds", settings.start_seconds)
        super().__init__("lambda", self.functions, containers, lease_seconds, secret, start)

    @property
    def sizes_mb(self) -> Sequence[int]:
        return self.sizes if len(self.sizes) > 1 else ()

    @property
    def memory_mb(self) -> int:
        return self.sizes[0] if len(self.sizes) == 1 else 0

    def functions(self) -> Functions:
        smallest = self.function_of(self.sizes[0])
        smallest.prepared()  # what is missing or mistyped is told before anything is computed
        return Functions(smallest, self.function_of)

    def function_of(self, memory_mb: int) -> Function:
        return Function(self.settings.function_of(memory_mb), self.connect, self.shared)

    def start(self) -> None:
        """A container is asked what it reaches: later, none of them could say that it reaches nothing."""
        super().start()
        with self.lock:
            if self.checked is None:
                assert isinstance(self.asking.platform, Functions)
                function = self.asking.platform.usual
                self.checked = threading.Thread(
                    target=self.check, args=(function,), name="dask-serverless-check", daemon=True
                )
                self.checked.start()

    def invoke(self, invitation: Invitation, count: int = 1) -> None:
        if self.refusal is not None:
            raise self.refusal
        super().invoke(invitation, count)

    def check(self, function: Function) -> None:
        key = f"{KEY}{secrets.token_hex(8)}"
        try:
            with open_link(self.store_url) as link:
                link.call(("SET", key, 1, "EX", KEY_SECONDS))
                error = self.found_wrong(function, key)
                link.call(("DEL", key))
        except StoreError:  # which the client's own part of a run meets, too
            return
        if error is not None and not function.closed.is_set():
            self.refusal = error
            self.tell(Loss("", str(error), error=error))

    def found_wrong(self, function: Function, key: str) -> ServerlessError | None:
        """Asked again while AWS has no room, or nobody answers. What AWS never had room for says
        nothing; where nobody ever answers, no container will come.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        deadline = time.monotonic() + PATIENCE_SECONDS
        answer = Answer()
        while not function.closed.is_set() and time.monotonic() < deadline:
            told: Any = None
            try:
                told = function.check(key)
            except ClientError as error:
                answer = function.refused(error)
            except BotoCoreError as error:
                answer = function.unreached(error)
            if told is not None:
                return verdict(function.name, told)
            if answer.refusal is not None:
                return answer.refusal
            function.closed.wait(random.uniform(0.5, 1.0) * LONGEST_PAUSE_SECONDS)
        return answer.at_last

    def close(self) -> None:
        super().close()
        self.checked = None
        self.refusal = None
