"""A platform behind a URL: whether containers answer, are like the client, and reach the store."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from http.client import HTTPException

from dask_serverless.backends.http.endpoint import Answer, Endpoint
from dask_serverless.backends.http.settings import HttpSettings
from dask_serverless.backends.messages import Trouble, Unable
from dask_serverless.command.checks.finding import Finding, failed, failed_by, ok, warning
from dask_serverless.config import Settings
from dask_serverless.signing.chosen import given
from dask_serverless.store.address import parse
from dask_serverless.store.embedded import EmbeddedStore
from dask_serverless.worker.environment import versions
from dask_serverless.worker.header import minor
from dask_serverless.worker.invitation import Invitation

VISIT_SECONDS = 30.0
SAME = ("python", "dask", "dask-serverless")  # containers refuse to work where these differ
SET_UP = "Does that URL lead to `python -m worker_container`? docs/http.md has the set-up."


def check_http(settings: Settings) -> Iterator[Finding]:
    told = settings.http or HttpSettings()
    there = replace(told, wait=True, request_seconds=VISIT_SECONDS)
    with closing(Endpoint(there, given(settings))) as endpoint:
        try:
            status, content, _ = endpoint.ask("GET", "/health")
        except (OSError, HTTPException) as error:
            why = str(error) or type(error).__name__
            yield failed("platform", f"{told.url} does not answer: {why}", SET_UP)
            return
        if status != 200:
            yield refused("platform", endpoint.answer(status, content))
            return
        yield from healthy(told.url, content)
        with ExitStack() as stack:
            store = settings.store or stack.enter_context(EmbeddedStore()).wait_ready()
            yield visited(endpoint, store)


def refused(what: str, answer: Answer) -> Finding:
    if (error := answer.refusal or answer.at_last) is not None:
        return failed_by(what, error)
    if answer.reached:
        return warning(what, answer.why, "Ask again when it has less to do.")
    return failed(what, answer.why, SET_UP)


def healthy(url: str, content: bytes) -> Iterator[Finding]:
    try:
        told = json.loads(content)
        state, theirs = told["state"], told["versions"]
    except (ValueError, TypeError, KeyError):
        yield failed("platform", f"{url}/health does not answer as our containers do", SET_UP)
        return
    yield ok("platform", f"{url} answers, and knows the token; the container is {state}")
    yield from compared(theirs, versions())


def compared(theirs: Mapping[str, str], ours: Mapping[str, str]) -> Iterator[Finding]:
    """A container's versions beside the client's."""
    fix = (
        "Make the image anew (`dask serverless image`) from what is installed here, and deploy it."
    )
    differing = [name for name in ours if theirs.get(name) != ours[name]]
    breaking = [name for name in SAME if short(name, theirs) != short(name, ours)]
    told = ", ".join(f"{n} {theirs.get(n, 'missing')} (here {ours[n]})" for n in differing)
    if breaking:
        yield failed("versions", told, fix)
    elif differing:
        yield warning("versions", told, fix)
    else:
        yield ok("versions", f"the same as here: {', '.join(ours)}")


def short(name: str, versions: Mapping[str, str]) -> str:
    version = versions.get(name, "")
    return minor(version) if name == "python" else version


def visited(endpoint: Endpoint, store: str) -> Finding:
    """A container that is sent to a run which is not there: it looks for it in the store, and leaves."""
    run = f"{parse(store).tenant}doctor-{secrets.token_hex(8)}"
    answer = endpoint.invoke(Invitation(run, secrets.token_hex(8), store))
    if not answer.came:
        return refused("network", answer)
    for message in answer.told:
        if isinstance(message, Trouble | Unable):
            fix = (
                "Name the store as containers reach it, in the setting store or their WORKER_STORE."
            )
            return failed("network", f"a container cannot work: {message.why}", fix)
    return ok("network", "a container came, and reached the store")
