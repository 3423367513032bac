"""A stand-in for an AWS account: moto, and of what that lacks, provisioned concurrency."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PATH = re.compile(r"/2019-09-30/functions/([^/]+)/provisioned-concurrency\?Qualifier=live$")
ABSENT = "ProvisionedConcurrencyConfigNotFoundException"


class ProvisionedConcurrency:
    """Answers in place of AWS, to requests as botocore sends them."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def __call__(self, request, **kwargs):
        if (asked := PATH.search(request.url)) is None:
            return None
        name = asked[1]
        if request.method == "PUT":
            count = json.loads(request.body)["ProvisionedConcurrentExecutions"]
            self.counts[name] = count
        elif name not in self.counts:
            return answer(request, 404, {"Message": "none"}, {"x-amzn-ErrorType": ABSENT})
        elif request.method == "DELETE":
            del self.counts[name]
            return answer(request, 204, {})
        return answer(request, 200, {"RequestedProvisionedConcurrentExecutions": self.counts[name]})


def answer(request, status, told, headers=None):
    from botocore.awsrequest import AWSResponse
    from moto.core.botocore_stubber import MockRawResponse

    body = json.dumps(told) if status != 204 else ""
    return AWSResponse(request.url, status, headers or {}, MockRawResponse(body))


@contextmanager
def account() -> Iterator[dict[str, int]]:
    """What is provisioned there."""
    from botocore import handlers
    from moto import mock_aws

    provisioned = ProvisionedConcurrency()
    with pytest.MonkeyPatch.context() as patch:
        mine = [("before-send.lambda", provisioned)]
        patch.setattr(handlers, "BUILTIN_HANDLERS", [*mine, *handlers.BUILTIN_HANDLERS])
        with mock_aws():
            yield provisioned.counts
