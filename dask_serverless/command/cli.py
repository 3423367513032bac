"""The commands of ``dask serverless …``; Dask's own command line finds them by entry point.

The dask command imports this file whatever it was called for: imports that take time come later.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from dask_serverless.errors import PlanRefused, ServerlessError, SettingsError, StoreUrlInvalid

INTERRUPTED = 130  # what shells report for a command that Ctrl-C ended
SIZES = ("small", "medium", "large")

store_option = click.option(
    "--store", metavar="URL", help="Redis or Valkey to use instead of the configured one."
)


@click.group
def serverless() -> None:
    """A Dask scheduler with no scheduler process."""


@serverless.command
@click.option(
    "--containers", type=click.IntRange(min=1), help="How many; by default one a core, at least 2."
)
@click.option("--size", type=click.Choice(SIZES), default="medium", show_default=True)
@click.option("--compare/--no-compare", default=True, help="Also run it on distributed.")
@store_option
def demo(containers: int | None, size: str, compare: bool, store: str | None) -> None:
    """Compute something real, check the result, and show where the time went.

    Ends with status 1 if the result differs from what Dask's own scheduler computes.
    """
    with one_line_errors():
        from dask_serverless.command.demo.performance import perform

        right = perform(size=size, containers=containers, store=store, compare=compare)
    if not right:
        raise SystemExit(1)


@serverless.command
@store_option
def info(store: str | None) -> None:
    """Show versions, the store, the settings and what this machine has; good in bug reports.

    Ends with status 1 if the store or a setting would not work.
    """
    with one_line_errors():
        from dask_serverless.command.information import show

        works = show(store)
    if not works:
        raise SystemExit(1)


@serverless.command
@click.option(
    "--backend", metavar="NAME", help="Where containers run, instead of the configured one."
)
@store_option
def doctor(backend: str | None, store: str | None) -> None:
    """Look at all that a run needs, with a verdict on each and what puts it right.

    Packages, settings, folders and room, the store, and the backend's platform: whether it is there,
    and whether its containers reach the store. Leaves nothing. Ends with status 1 if a run would fail.
    """
    with one_line_errors():
        from dask_serverless.command.doctor import examine

        works = examine(store, backend)
    if not works:
        raise SystemExit(1)


@serverless.command
@click.argument("name", required=False)
@store_option
@click.option(
    "--json", "as_json", is_flag=True, help="For programs: all digits, seconds and bytes."
)
@click.option("--forget", metavar="NAME", help="Forget what these functions took.")
@click.option("--forget-all", is_flag=True, help="Forget everything, also what cannot be read.")
def history(
    name: str | None, store: str | None, as_json: bool, forget: str | None, forget_all: bool
) -> None:
    """Show what predictions rest on: what functions, transfers and starts took in earlier runs.

    NAME shows only the functions that it means: a name in full or its last part, and * and ? stand
    for anything.
    """
    if (name is not None) + as_json + (forget is not None) + forget_all > 1 and (
        forget is not None or forget_all
    ):
        raise click.UsageError("--forget and --forget-all go with nothing but --store.")
    with one_line_errors():
        from dask_serverless.command import history as command

        if forget_all or forget is not None:
            command.forget(store, forget)
        else:
            command.show(store, name, as_json)


@serverless.command
@store_option
@click.option(
    "--address",
    "--port",
    default=":8787",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen: an address, or a port of this host alone.",
)
@click.option("--token", default="", help="What the link must hold; made up if it is needed.")
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="HOST:PORT",
    help="A page that may connect, such as a proxy's; the setting allow_origin.",
)
def dashboard(store: str | None, address: str, token: str, origins: tuple[str, ...]) -> None:
    """Serve live pages of all runs in a store, until Ctrl-C.

    A private store cannot be seen from here: Serverless(dashboard=True) shows the runs in one.
    """
    with one_line_errors():
        from dask_serverless.command.dashboard import show

        show(store, address, token, origins)


@serverless.command(context_settings={"allow_interspersed_args": False})
@click.argument("script", type=click.Path(exists=True, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--planner", metavar="NAME", help="For computes that do not name one themselves.")
@click.option("--compare", metavar="NAME,NAME", help="Other planners to put beside each plan.")
@click.option("--run/--no-run", default=True, help="Or stop at the first plan, computing nothing.")
def plan(
    script: str, arguments: tuple[str, ...], planner: str | None, compare: str | None, run: bool
) -> None:
    """Run SCRIPT, and show how each of its computes is planned before it is carried out.

    Options come before SCRIPT; what follows it is passed to it. The script runs as it is, since what
    it does next may depend on its results; computes for which it names no scheduler go to this one.
    Ends with status 1 if nothing was computed.
    """
    with one_line_errors():
        from dask_serverless.command import plan as command

        compared = [name.strip() for name in (compare or "").split(",") if name.strip()]
        command.plan(script, arguments, planner, compared, run)


@serverless.command
@click.option("--requirements", metavar="FILE", help="What tasks import: a requirements.txt.")
@click.option("--base", metavar="IMAGE", help="To build on; else python:X.Y-slim, this Python.")
def image(requirements: str | None, base: str | None) -> None:
    """Make the image for container platforms from what is installed here, and print its tag.

    It needs a Docker daemon. What has not changed is not built again.
    """
    with one_line_errors():
        from dask_serverless.command import image as command

        command.make(requirements, base)


@serverless.group
def deploy() -> None:
    """Make what a platform needs: its image, and what runs it there."""


@deploy.command("lambda")
@store_option
@click.option("--blobs", metavar="URL", help="Large outputs: s3://bucket/prefix.")
@click.option(
    "--memory", multiple=True, metavar="SIZE", help="Of a function; several: a function for each."
)
@click.option("--function", metavar="NAME", help="The functions' common name.")
@click.option("--region", metavar="NAME", help="Else as AWS's configuration says.")
@click.option("--requirements", metavar="FILE", help="What tasks import: a requirements.txt.")
@click.option("--base", metavar="IMAGE", help="To build on; else python:X.Y-slim, this Python.")
@click.option("--seconds", type=int, help="The functions' time limit; 900 by default.")
@click.option("--provisioned", type=int, help="Containers of each size that AWS keeps warm.")
@click.option("--subnets", multiple=True, metavar="ID", help="Of the VPC that the store is in.")
@click.option("--security-groups", multiple=True, metavar="ID", help="Likewise.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--remove", is_flag=True, help="Remove all that deployments have made.")
def deploy_lambda(dry_run: bool, remove: bool, **settings: Any) -> None:
    """Make the functions of AWS Lambda that backend="lambda" invokes, as the settings say.

    What is as it should be is left alone. Making the image needs a Docker daemon.
    """
    with one_line_errors():
        from dask_serverless.command.deploy import deploy_lambda as carry_out

        carry_out(settings, dry_run, remove)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """What the user can put right is told in one line, without a traceback."""
    try:
        yield
    except (PlanRefused, SettingsError, StoreUrlInvalid) as error:
        raise click.UsageError(str(error)) from None
    except ServerlessError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("\nInterrupted.", err=True)
        raise SystemExit(INTERRUPTED) from None
