"""The functions of AWS Lambda, through boto3: one is invoked, and what came of that."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from dask_serverless.backends.asking import Answer
from dask_serverless.backends.aws_lambda.payload import packed, packed_check
from dask_serverless.errors import PackageMissing, PlatformUnavailable, SettingsError
from dask_serverless.signing.secret import Secret
from dask_serverless.worker.invitation import Invitation

ALIAS = "live"  # which version of a function is invoked: a deployment moves it in one go
AT_ONCE = 32  # requests under way; each takes some 20 ms
CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0
CHECK_SECONDS = 120.0  # a cold start included
BUSY = {"TooManyRequestsException", "ThrottlingException", "Throttling"}
AGAIN = {  # what passes: it is being deployed, or AWS has a bad moment
    "ServiceException", "InternalFailure", "ServiceUnavailable", "EC2ThrottledException",
    "ResourceConflictException", "ResourceNotReadyException", "ENILimitReachedException",
    "EFSMountTimeoutException", "RequestTimeout",
}  # fmt: skip
DEPLOY = "Make it with `dask serverless deploy lambda`, or name another in aws_lambda.function."
ALLOW = "docs/lambda.md has the policy that clients need."
CREDENTIALS = "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (`aws configure`)."
NETWORK = (
    "Look whether this machine can reach it (a proxy, a name in the region that there is not), and at "
    "aws_lambda.endpoint_url, which only emulators need."
)


@contextmanager
def with_boto3() -> Iterator[None]:
    """It is an extra."""
    try:
        yield
    except ImportError:
        raise PackageMissing("the backend lambda", "boto3", "lambda") from None


def lambda_client(region: str | None, endpoint_url: str | None, read_seconds: float) -> Any:
    """boto3's, which any thread may use. It repeats nothing: that is done here, run by run."""
    with with_boto3():
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, NoRegionError
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        max_pool_connections=AT_ONCE,
        retries={"total_max_attempts": 1},
    )
    region = region or os.environ.get("AWS_REGION")  # boto3 itself goes by AWS_DEFAULT_REGION only
    try:
        return boto3.client("lambda", region, endpoint_url=endpoint_url, config=config)
    except NoRegionError:
        problem = "is not named, and neither AWS_REGION nor a profile does."
        raise SettingsError("aws_lambda.region", problem) from None
    except (BotoCoreError, ValueError) as error:
        raise PlatformUnavailable("lambda", str(error).rstrip("."), remedy(error)) from None


def remedy(error: Exception) -> str:
    """For what keeps boto3 from asking AWS, or from having an answer."""
    from botocore.exceptions import ConnectionError, HTTPClientError

    return NETWORK if isinstance(error, ConnectionError | HTTPClientError) else CREDENTIALS


class Function:
    """One of them; any thread may use it."""

    def __init__(self, name: str, connect: Callable[[float], Any], secret: Secret) -> None:
        self.name = name
        self.secret = secret  # its containers'
        self.connect = connect  # with a patience in seconds
        self.target = {"FunctionName": name, "Qualifier": ALIAS}
        self.closed = threading.Event()
        self.lock = threading.Lock()

    @cached_property
    def client(self) -> Any:
        return self.connect(READ_SECONDS)

    def prepared(self) -> Any:
        """The client; to make one takes a while, and is done once."""
        with self.lock:
            return self.client

    def invoke(self, invitation: Invitation) -> Answer:
        """AWS answers at once, and has it run somewhere."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            payload = packed(invitation, self.secret)
            self.prepared().invoke(**self.target, InvocationType="Event", Payload=payload)
        except ClientError as error:
            return self.refused(error)
        except BotoCoreError as error:
            return self.unreached(error)
        except PlatformUnavailable as error:
            return Answer(why=str(error), refusal=error)
        return Answer(came=True, why=f"{self.name} took the invocation")

    def refused(self, error: Any) -> Answer:
        """What AWS has against it."""
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        said = str(error.response.get("Error", {}).get("Message") or code or status)
        why = f"{self.name}: {said.rstrip('.')}"
        if code in BUSY or status == 429:
            return Answer(why=why)
        if code in AGAIN or status >= 500:
            return Answer(why=why, reached=False)
        remedy = DEPLOY if code == "ResourceNotFoundException" else ALLOW if status == 403 else ""
        refusal = PlatformUnavailable("lambda", f"{why} ({code or status})", remedy)
        return Answer(why=why, refusal=refusal)

    def unreached(self, error: Any) -> Answer:
        """Nobody answers, which networks get over, or nobody can be asked."""
        from botocore.exceptions import ConnectionError, HTTPClientError

        why = f"{self.name} cannot be invoked: {error}".rstrip(".")
        told = PlatformUnavailable("lambda", why, remedy(error))
        if isinstance(error, ConnectionError | HTTPClientError):
            return Answer(why=f"{why}. {NETWORK}", reached=False, at_last=told)
        return Answer(why=why, refusal=told)

    def may_be_invoked(self) -> str:
        """Why not, by whoever asks; "" if it may. Nothing is run."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.prepared().invoke(**self.target, InvocationType="DryRun")
        except (BotoCoreError, ClientError) as error:
            return str(error)
        return ""

    def check(self, key: str) -> dict[str, Any]:
        """What a container can reach, as it says; raises what botocore raises."""
        payload = packed_check(key, self.secret)
        answer = self.connect(CHECK_SECONDS).invoke(
            **self.target, InvocationType="RequestResponse", Payload=payload
        )
        told = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer or not isinstance(told, dict):
            return {"error": shown(told)}
        return told

    def close(self) -> None:
        self.closed.set()


def shown(told: Any) -> str:
    """How a function failed, in one line."""
    if isinstance(told, dict):
        kind, message = told.get("errorType", ""), told.get("errorMessage", "")
        return ": ".join(part for part in (kind, message) if part) or "it failed"
    return str(told)[:500]
