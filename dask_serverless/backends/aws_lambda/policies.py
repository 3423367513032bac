"""What functions may do, as documents of AWS's IAM: no more than a container needs."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from dask_serverless.backends.aws_lambda.account import Account
from dask_serverless.backends.aws_lambda.making import in_s3
from dask_serverless.backends.aws_lambda.settings import LambdaSettings

Document = dict[str, Any]
VERSION = "2012-10-17"
OBJECTS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
NETWORK = (  # AWS itself makes a function's network interface, but by the function's rights
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
)  # fmt: skip


def document(*statements: Document) -> Document:
    return {"Version": VERSION, "Statement": list(statements)}


def allow(actions: tuple[str, ...], *resources: str, **more: Any) -> Document:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources), **more}


def trust() -> Document:
    """Functions take this role on."""
    service = {"Service": "lambda.amazonaws.com"}
    return document({"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"})


def of_functions(account: Account, settings: LambdaSettings, blobs: str | None) -> Document:
    """They write to their own logs, invoke one another, and reach the blobs."""
    name = settings.function
    statements = [
        allow(LOGS, account.arn("logs", f"log-group:/aws/lambda/{name}-*:*")),
        allow(("lambda:InvokeFunction",), account.arn("lambda", f"function:{name}-*")),
    ]
    if blobs and in_s3(blobs):
        statements += of_blobs(account.partition, blobs)
    if settings.subnets:
        statements.append(allow(NETWORK, "*"))  # IAM knows no narrower resource for these
    return document(*statements)


def of_blobs(partition: str, blobs: str) -> list[Document]:
    parts = urlsplit(blobs)
    bucket, prefix = f"arn:{partition}:s3:::{parts.netloc}", parts.path.strip("/")
    within = f"{prefix}/*" if prefix else "*"
    condition = {"StringLike": {"s3:prefix": [prefix or "*", within]}}
    return [
        allow(OBJECTS, f"{bucket}/{within}"),
        allow(("s3:ListBucket",), bucket, Condition=condition),
    ]


def of_repository() -> Document:
    """AWS Lambda may fetch the image."""
    return document(
        {
            "Sid": "lambda",
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        }
    )
