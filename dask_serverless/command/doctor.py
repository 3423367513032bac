"""What ``dask serverless doctor`` does: looks at all that a run needs, and says what to do about it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from functools import partial

import click

from dask_serverless.client.engine import make_backend
from dask_serverless.command.checks.blobs import check_blobs
from dask_serverless.command.checks.bounded import Check, findings_of
from dask_serverless.command.checks.finding import Finding, Verdict, failed_by, ok, warning
from dask_serverless.command.checks.machine import check_machine
from dask_serverless.command.checks.masking import without_secrets
from dask_serverless.command.checks.packages import check_packages
from dask_serverless.command.checks.store import check_store
from dask_serverless.config import Settings
from dask_serverless.errors import ServerlessError

SECONDS = 60.0  # for one concern
COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}
VERDICT_WIDTH, WHAT_WIDTH = 8, 16


def examine(store: str | None, backend: str | None) -> bool:
    """Print every finding; whether nothing has failed."""
    told = {"store": store, "backend": backend}
    verdicts: Counter[Verdict] = Counter()
    try:
        settings = Settings.gather(**{name: value for name, value in told.items() if value})
    except ServerlessError as error:
        show(failed_by("settings", error))
        return False
    for title, check in concerns(settings):
        click.echo(title)
        for finding in findings_of(title.lower(), check, SECONDS):
            verdicts[finding.verdict] += 1
            show(finding, settings)
    click.echo(", ".join(f"{verdicts[each]} {each.value}" for each in Verdict))
    return not verdicts[Verdict.FAILED]


def concerns(settings: Settings) -> Iterator[tuple[str, Check]]:
    """What there is to look at with these settings."""
    yield "Packages", partial(check_packages, settings)
    yield "Machine", partial(check_machine, settings)
    yield "Store", partial(check_store, settings)
    if settings.blobs is not None:
        yield "Blobs", partial(check_blobs, settings)
    yield "Backend", partial(check_backend, settings)


def check_backend(settings: Settings) -> Iterator[Finding]:
    """Made as a client makes it, and not started; then what it runs on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            make_backend(settings, [])
        except ServerlessError as error:
            yield failed_by("backend", error)
            return
    yield ok("backend", settings.backend if isinstance(settings.backend, str) else "an object")
    for each in caught:
        yield warning("backend", str(each.message), "Leave that setting out.")
    if settings.backend == "docker":
        from dask_serverless.command.checks.docker import check_docker

        yield from check_docker(settings)
    if settings.backend == "http":
        from dask_serverless.command.checks.http import check_http

        yield from check_http(settings)
    if settings.backend == "lambda":
        from dask_serverless.command.checks.aws_lambda import check_lambda

        yield from check_lambda(settings)


def show(finding: Finding, settings: Settings | None = None) -> None:
    verdict = click.style(f"{finding.verdict.value:<{VERDICT_WIDTH}}", COLOURS[finding.verdict])
    lines = [f"  {verdict} {finding.what:<{WHAT_WIDTH}} {finding.told}"]
    if finding.fix:
        lines.append(f"  {'':<{VERDICT_WIDTH}} {'':<{WHAT_WIDTH}} -> {finding.fix}")
    for line in lines:
        click.echo(without_secrets(line, settings) if settings is not None else line)
