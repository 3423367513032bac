"""A container of AWS Lambda: one invocation is one visit to a run.

A container stands still between invocations, so whatever has to be done is done before an answer.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from dask_serverless.backends.asking import Answer, Asking
from dask_serverless.backends.aws_lambda.checking import findings
from dask_serverless.backends.aws_lambda.functions import Function, lambda_client
from dask_serverless.backends.aws_lambda.payload import check_in, unpacked
from dask_serverless.backends.aws_lambda.several import Functions
from dask_serverless.backends.messages import Invite, Message, Refused, Trouble, Unable
from dask_serverless.backends.messages import Peers as Places
from dask_serverless.errors import NotAuthentic, SettingsError
from dask_serverless.worker.invitation import Invitation
from worker_container.occupant import Occupant, Visit
from worker_container.settings import LEAST_SECRET, PREFIX, ContainerSettings

MOST_ASKED = 16  # requests for other containers, under way at once
ASKING_SECONDS = 5.0  # for those at the end of a visit; then the client's sweep asks
CLEAN_UP_SECONDS = 3.0  # before the time limit: to give back what is held
LEAST_SECONDS = 0.1
START_TIME = 19  # the field of /proc/self/stat, counted after the process's name
MEMORY = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"  # MiB
HOW_IT_CAME_UP = "AWS_LAMBDA_INITIALIZATION_TYPE"
ON_DEMAND = "on-demand"  # otherwise AWS keeps it warm, at another price


class Context(Protocol):
    """What awslambdaric says of an invocation."""

    def get_remaining_time_in_millis(self) -> int: ...


class LambdaContainer:
    """Lives as long as the platform lets it; tells its log what no client hears."""

    def __init__(
        self, settings: ContainerSettings, functions: Functions, coming_up: float = 0.0
    ) -> None:
        self.settings = settings
        self.coming_up = coming_up  # seconds that AWS charges for beside its first visit
        self.function = functions.usual  # its own
        self.asking = Asking(functions, MOST_ASKED, self.heard)
        self.occupant = Occupant(settings, self.tell, self)
        self.occupant.start()
        # Errors name it, logs are found.
        log(f"{settings.name} is a container of {self.function.name}")

    @staticmethod
    def made(environment: MutableMapping[str, str]) -> LambdaContainer:
        """As the function's environment says, which tasks are not to find the store's password in."""
        connect = partial(lambda_client, environment.get("AWS_REGION"), None)
        settings = container_settings(environment)
        on_demand = environment.get(HOW_IT_CAME_UP, ON_DEMAND) == ON_DEMAND
        own = environment["AWS_LAMBDA_FUNCTION_NAME"]
        common = own.rpartition("-")[0]

        def named(name: str) -> Function:
            return Function(name, connect, settings.shared)

        functions = Functions(named(own), lambda memory_mb: named(f"{common}-{memory_mb}"))
        for name in [name for name in environment if name.startswith(PREFIX)]:
            del environment[name]
        return LambdaContainer(settings, functions, process_age() if on_demand else 0.0)

    def answer(self, event: Any, context: Context) -> dict[str, Any]:
        charged, self.coming_up = time.time() - self.coming_up, 0.0
        if key := check_in(event):
            return self.checked(event, key)
        invitation = replace(self.invitation_in(event), charged=charged)
        visit = self.occupant.take(invitation)
        if visit is None:
            raise RuntimeError(f"{self.settings.name} has not left the run before")
        self.occupant.begin(visit)
        self.await_end(visit, context)
        self.asking.settled(ASKING_SECONDS)
        return {"container": self.settings.name}

    def invitation_in(self, event: Any) -> Invitation:
        return unpacked(event, self.settings.shared, self.settings.store)

    def checked(self, event: Any, key: str) -> dict[str, Any]:
        """What it reaches, for those alone who know the secret."""
        try:
            self.invitation_in(event)
        except NotAuthentic as error:
            return {"secret": str(error)}
        return findings(self.settings.store, key, self.function.may_be_invoked())

    def await_end(self, visit: Visit, context: Context) -> None:
        """In time before the limit others go on with the run, at the latest with what it held."""
        left = context.get_remaining_time_in_millis() / 1000 - CLEAN_UP_SECONDS
        grace = min(self.settings.grace_seconds, left / 2)
        if visit.over.wait(max(LEAST_SECONDS, left - grace)):
            return
        if not self.occupant.hand_over(visit, max(LEAST_SECONDS, grace)):
            self.occupant.end(visit, "the time limit of its function was over")

    def invite(self, invitation: Invitation) -> None:
        self.asking.ask(invitation)

    def know(self, told: Places) -> None:
        """Containers of Lambda do not see one another."""

    def tell(self, message: Message) -> bool:
        """Nobody else hears of it: so the container itself puts back what a dead process held."""
        match message:
            case Invite():
                self.asking.ask(message.invitation)
            case Trouble() | Unable():
                log(f"{self.settings.name}, run {message.run}: {message.why}")
            case Refused():
                log(f"{self.settings.name}: {message.setting} {message.problem}")
        return False

    def heard(self, invitation: Invitation, answer: Answer) -> None:
        if not answer.came:
            log(
                f"{self.settings.name}, run {invitation.run}: no other container came: {answer.why}"
            )


def container_settings(environment: Mapping[str, str]) -> ContainerSettings:
    """Who may invoke a function is AWS's business: nobody knows this token."""
    name = f"lambda-{secrets.token_hex(4)}"
    told = {
        PREFIX + "NAME": name,
        PREFIX + "MEMORY_MB": environment.get(MEMORY, "0"),
        **environment,
        PREFIX + "TOKEN": secrets.token_hex(16),
    }
    if len(told.get(PREFIX + "SECRET", "")) < LEAST_SECRET:
        problem = f"must be the client's setting secret, of {LEAST_SECRET} letters or more."
        raise SettingsError(PREFIX + "SECRET", problem)
    return ContainerSettings.from_environment(told)


def process_age() -> float:
    """Seconds since this process was started, its interpreter and its imports included."""
    with open("/proc/self/stat") as file:
        begun = int(file.read().rpartition(")")[2].split()[START_TIME])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - begun / os.sysconf("SC_CLK_TCK")


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
