"""One function of a deployment, up to the alias by which it is invoked."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dask_serverless.backends.aws_lambda.account import Account, perhaps_absent
from dask_serverless.backends.aws_lambda.functions import ALIAS
from dask_serverless.backends.aws_lambda.parts import Step

HANDLER = "worker_container.lambda_handler.handler"
ENTRY_POINT = ["python3", "-P", "-m", "awslambdaric"]
ROLE_SECONDS = 60.0  # until all of AWS knows of a role that was just made
EVENTS = {  # the client's sweep asks again, and knows whether anybody is still needed
    "MaximumRetryAttempts": 0,
    "MaximumEventAgeInSeconds": 60,
}


@dataclass(frozen=True)
class Wanted:
    """A function as it should be; ``parts`` are in the words of AWS's CreateFunction."""

    name: str
    image: str
    machine: str
    provisioned: int
    parts: Mapping[str, Any] = field(repr=False)  # with the store's password

    @staticmethod
    def of(
        name: str, image: str, machine: str, role: str, memory_mib: int, seconds: int,
        provisioned: int, environment: Mapping[str, str], network: Mapping[str, list[str]],
    ) -> Wanted:  # fmt: skip
        parts = {
            "MemorySize": memory_mib,
            "Timeout": seconds,
            "Role": role,
            "Environment": {"Variables": dict(environment)},
            "ImageConfig": {"EntryPoint": ENTRY_POINT, "Command": [HANDLER]},
            "VpcConfig": dict(network),
        }
        return Wanted(name, image, machine, provisioned, parts)

    def differences(self, found: Mapping[str, Any]) -> list[str]:
        """Which parts are otherwise in an answer to GetFunction; without values: one is secret."""
        there = dict(found["Configuration"])
        there["ImageConfig"] = there.get("ImageConfigResponse", {}).get("ImageConfig", {})
        network = there.get("VpcConfig") or {}
        there["VpcConfig"] = {
            name: sorted(network.get(name, [])) for name in self.parts["VpcConfig"]
        }
        return [name for name, wanted in self.parts.items() if there.get(name) != wanted]


class DeployedFunction:
    def __init__(self, account: Account, wanted: Wanted) -> None:
        self.client = account.client("lambda")
        self.wanted = wanted
        self.name = wanted.name

    def found(self, qualifier: str = "$LATEST") -> Any:
        with perhaps_absent():
            return self.client.get_function(FunctionName=self.name, Qualifier=qualifier)
        return None

    def missing(self) -> Iterator[Step]:
        steps = list(self.changes())
        yield from steps
        live = self.found(ALIAS)
        if steps or live is None or self.wanted.differences(live) or not self.same_image(live):
            yield Step(f"have {self.name}:{ALIAS} be that", self.publish)
        if self.events() != EVENTS:
            told = f"have AWS invoke {self.name}:{ALIAS} once for each event"
            yield Step(told, self.set_events)
        if self.provisioned() != (count := self.wanted.provisioned):
            told = f"keep {count} containers of {self.name}:{ALIAS} warm"
            yield Step(told, self.provision)

    def changes(self) -> Iterator[Step]:
        """Of the function itself."""
        found, wanted = self.found(), self.wanted
        if found is None:
            size = f"{wanted.parts['MemorySize']} MiB, {wanted.parts['Timeout']} s"
            yield Step(f"make the function {self.name} ({size})", self.make)
            return
        if not self.same_image(found):
            yield Step(f"give the function {self.name} the image", self.set_image)
        if differences := wanted.differences(found):
            told = f"change {', '.join(differences)} of the function {self.name}"
            yield Step(told, self.configure)

    def same_image(self, found: Mapping[str, Any]) -> bool:
        return bool(found["Code"].get("ImageUri") == self.wanted.image)

    def make(self) -> None:
        wanted = self.wanted
        patiently(
            lambda: self.client.create_function(
                FunctionName=self.name,
                PackageType="Image",
                Code={"ImageUri": wanted.image},
                Architectures=[wanted.machine],
                **wanted.parts,
            )
        )
        self.client.get_waiter("function_active_v2").wait(FunctionName=self.name)

    def set_image(self) -> None:
        self.client.update_function_code(FunctionName=self.name, ImageUri=self.wanted.image)
        self.await_update()

    def configure(self) -> None:
        patiently(
            lambda: self.client.update_function_configuration(
                FunctionName=self.name, **self.wanted.parts
            )
        )
        self.await_update()

    def await_update(self) -> None:
        self.client.get_waiter("function_updated_v2").wait(FunctionName=self.name)

    def publish(self) -> None:
        """Invocations go to the new version from one moment to the next."""
        version = self.client.publish_version(FunctionName=self.name)["Version"]
        alias = {"FunctionName": self.name, "Name": ALIAS, "FunctionVersion": version}
        with perhaps_absent():
            self.client.update_alias(**alias)
            return
        self.client.create_alias(**alias)

    @property
    def alias(self) -> dict[str, str]:
        return {"FunctionName": self.name, "Qualifier": ALIAS}

    def events(self) -> dict[str, Any]:
        with perhaps_absent():
            found = self.client.get_function_event_invoke_config(**self.alias)
            return {name: found.get(name) for name in EVENTS}
        return {}

    def set_events(self) -> None:
        self.client.put_function_event_invoke_config(**self.alias, **EVENTS)

    def provisioned(self) -> int:
        with perhaps_absent():
            found = self.client.get_provisioned_concurrency_config(**self.alias)
            return int(found["RequestedProvisionedConcurrentExecutions"])
        return 0

    def provision(self) -> None:
        if not (count := self.wanted.provisioned):
            self.client.delete_provisioned_concurrency_config(**self.alias)
            return
        self.client.put_provisioned_concurrency_config(
            **self.alias, ProvisionedConcurrentExecutions=count
        )

    def left(self) -> Iterator[Step]:
        if self.found() is not None:
            yield Step(f"remove the function {self.name}", self.remove)

    def remove(self) -> None:
        self.client.delete_function(FunctionName=self.name)


def patiently(make: Callable[[], object]) -> None:
    """A role that was just made is unknown where functions are made, for some seconds."""
    from botocore.exceptions import ClientError

    deadline = time.monotonic() + ROLE_SECONDS
    while True:
        try:
            make()
            return
        except ClientError as error:
            told = error.response["Error"]
            unknown = "role" in told.get("Message", "").lower()
            if told["Code"] != "InvalidParameterValueException" or not unknown:
                raise
            if time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(1.0, 3.0))
