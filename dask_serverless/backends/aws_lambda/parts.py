"""What a deployment has in an account beside its functions: repository, image, role and logs.

Each part looks at what is there, and says which steps would make it as it should be: none, mostly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from dask_serverless.backends.aws_lambda import policies
from dask_serverless.backends.aws_lambda.account import Account, perhaps_absent

POLICY = "dask-serverless"  # the role's only one
KEEP_LOGS_DAYS = 14


@dataclass(frozen=True)
class Step:
    """One change in the account."""

    told: str
    perform: Callable[[], object]


class Part(Protocol):
    def missing(self) -> Iterator[Step]:
        """What makes it as it should be, in this order; each step relies on those before."""

    def left(self) -> Iterator[Step]:
        """What removes it, if it is there."""


class Repository:
    """Of images, in ECR."""

    def __init__(self, account: Account, name: str) -> None:
        self.client = account.client("ecr")
        self.name = name
        self.uri = f"{account.number}.dkr.ecr.{account.region}.{domain(account)}/{name}"

    def there(self) -> bool:
        with perhaps_absent():
            self.client.describe_repositories(repositoryNames=[self.name])
            return True
        return False

    def missing(self) -> Iterator[Step]:
        policy = policies.of_repository()
        if not self.there():
            yield Step(f"make the repository {self.name}", self.make)
        if self.policy() != policy:
            told = f"let AWS Lambda fetch images from the repository {self.name}"
            yield Step(told, lambda: self.allow(policy))

    def make(self) -> None:
        self.client.create_repository(repositoryName=self.name)

    def policy(self) -> Any:
        with perhaps_absent():
            found = self.client.get_repository_policy(repositoryName=self.name)
            return json.loads(found["policyText"])
        return None

    def allow(self, policy: policies.Document) -> None:
        self.client.set_repository_policy(repositoryName=self.name, policyText=json.dumps(policy))

    def left(self) -> Iterator[Step]:
        if self.there():
            told = f"remove the repository {self.name} with its images"
            yield Step(told, self.remove)

    def remove(self) -> None:
        self.client.delete_repository(repositoryName=self.name, force=True)


class PushedImage:
    """In the repository, under a tag made from its content."""

    def __init__(self, repository: Repository, tag: str, push: Callable[[str], object]) -> None:
        self.repository = repository
        self.tag = tag
        self.push = push  # to this place

    @property
    def uri(self) -> str:
        return f"{self.repository.uri}:{self.tag}"

    def there(self) -> bool:
        with perhaps_absent():
            self.repository.client.describe_images(
                repositoryName=self.repository.name, imageIds=[{"imageTag": self.tag}]
            )
            return True
        return False

    def missing(self) -> Iterator[Step]:
        if not self.there():
            yield Step(f"make the image, and push it to {self.uri}", lambda: self.push(self.uri))

    def left(self) -> Iterator[Step]:
        """It goes with its repository."""
        yield from ()


class Role:
    """What functions run as."""

    def __init__(self, account: Account, name: str, policy: policies.Document) -> None:
        self.client = account.client("iam")
        self.name = name
        self.policy = policy
        self.arn = account.arn("iam", f"role/{name}", everywhere=True)

    def there(self) -> bool:
        with perhaps_absent():
            self.client.get_role(RoleName=self.name)
            return True
        return False

    def missing(self) -> Iterator[Step]:
        if not self.there():
            yield Step(f"make the role {self.name}", self.make)
        if self.allowed() != self.policy:
            yield Step(f"set what the role {self.name} may do", self.allow)

    def make(self) -> None:
        trust = json.dumps(policies.trust())
        self.client.create_role(RoleName=self.name, AssumeRolePolicyDocument=trust)

    def allowed(self) -> Any:
        with perhaps_absent():
            found = self.client.get_role_policy(RoleName=self.name, PolicyName=POLICY)
            return found["PolicyDocument"]
        return None

    def allow(self) -> None:
        policy = json.dumps(self.policy)
        self.client.put_role_policy(RoleName=self.name, PolicyName=POLICY, PolicyDocument=policy)

    def left(self) -> Iterator[Step]:
        if self.there():
            yield Step(f"remove the role {self.name}", self.remove)

    def remove(self) -> None:
        with perhaps_absent():
            self.client.delete_role_policy(RoleName=self.name, PolicyName=POLICY)
        self.client.delete_role(RoleName=self.name)


class Logs:
    """Of one function. AWS would make them itself, for ever: by rights that functions do not have."""

    def __init__(self, account: Account, function: str) -> None:
        self.client = account.client("logs")
        self.name = f"/aws/lambda/{function}"

    def there(self) -> bool:
        found = self.client.describe_log_groups(logGroupNamePrefix=self.name)["logGroups"]
        return any(each["logGroupName"] == self.name for each in found)

    def missing(self) -> Iterator[Step]:
        if not self.there():
            told = f"make the logs {self.name}, which keep {KEEP_LOGS_DAYS} days"
            yield Step(told, self.make)

    def make(self) -> None:
        self.client.create_log_group(logGroupName=self.name)
        self.client.put_retention_policy(logGroupName=self.name, retentionInDays=KEEP_LOGS_DAYS)

    def left(self) -> Iterator[Step]:
        if self.there():
            yield Step(f"remove the logs {self.name}", self.remove)

    def remove(self) -> None:
        self.client.delete_log_group(logGroupName=self.name)


def domain(account: Account) -> str:
    return "amazonaws.com.cn" if account.partition == "aws-cn" else "amazonaws.com"
