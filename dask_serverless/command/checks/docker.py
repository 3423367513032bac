"""A Docker daemon: its limits and room, the image, and whether its containers reach the store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from typing import Any

from dask.utils import format_bytes

from dask_serverless.backends.docker.daemon import Daemon, Limits
from dask_serverless.backends.docker.image import Image
from dask_serverless.backends.docker.packages import minor
from dask_serverless.backends.docker.settings import LEAST_MEMORY, USUAL_MEMORY, DockerSettings
from dask_serverless.backends.docker.site import Site
from dask_serverless.command.checks.finding import Finding, failed, ok, warning
from dask_serverless.config import Settings
from dask_serverless.store.address import Address, parse
from dask_serverless.store.bridged import BridgedStore

LEAST_ROOM_BYTES = 2 << 30
LIMITS = {  # what the daemon calls it → what it is for
    "MemoryLimit": "memory", "SwapLimit": "swap", "CpuCfsQuota": "cores", "PidsLimit": "processes",
}  # fmt: skip
# Without a password: to be connected is what has to be shown.
PROBE = """
import socket, sys
print(".".join(map(str, sys.version_info[:2])))
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 10).close()
    print("reached")
except OSError as error:
    print(error)
"""


def check_docker(settings: Settings) -> Iterator[Finding]:
    told = settings.docker or DockerSettings()
    with closing(Daemon()) as daemon:
        information = daemon.information()
        yield ok("daemon", f"Docker {information.get('ServerVersion', '?')} answers")
        yield limits(information)
        yield memory(information, settings)
        yield from room(information)
        if not daemon.has_image(told.base_image):
            fix = f"docker pull {told.base_image}, or name one that is there in the setting base"
            yield warning("base image", f"{told.base_image} is not here, and has to be pulled", fix)
            return
        yield image(daemon, told)
    yield from network(settings, told)


def limits(information: Mapping[str, Any]) -> Finding:
    missing = [name for key, name in LIMITS.items() if information.get(key) is False]
    if missing:
        told = f"{' and '.join(missing)} cannot be limited: a container may take all of it"
        fix = "Turn these on in the kernel (cgroup_enable=memory swapaccount=1), or use cgroup v2."
        return warning("limits", told, fix)
    return ok("limits", "memory, swap, cores and processes can be limited")


def memory(information: Mapping[str, Any], settings: Settings) -> Finding:
    """All containers of the largest size at once."""
    sizes = settings.memory if isinstance(settings.memory, tuple) else (settings.memory,)
    largest = max(size or USUAL_MEMORY for size in sizes)
    there = int(information.get("MemTotal", 0))
    containers = settings.containers or int(information.get("NCPU", 1))
    told = f"{containers} containers of {format_bytes(largest)}, on {format_bytes(there)}"
    if there and containers * largest > there:
        fix = f"Serverless(containers={max(1, there // largest)}), or a smaller memory"
        return warning("memory", f"{told}: together they are too large", fix)
    return ok("memory", told)


def room(information: Mapping[str, Any]) -> Iterator[Finding]:
    """Where the daemon is one of this host."""
    folder = information.get("DockerRootDir", "")
    if not os.path.isdir(folder):
        return
    usage = shutil.disk_usage(folder)
    told = f"{format_bytes(usage.free)} free of {format_bytes(usage.total)} in {folder}"
    if usage.free < LEAST_ROOM_BYTES:
        yield warning("disk", told, "docker image prune --all --filter label=dask-serverless")
    else:
        yield ok("disk", told)


def image(daemon: Daemon, told: DockerSettings) -> Finding:
    _, tag = Image(told.base_image, told.requirements_file).tags(daemon)
    if daemon.has_image(tag):
        return ok("image", f"{tag} is there, and up to date")
    return ok("image", f"is built on {told.base_image} with the first compute")


def network(settings: Settings, told: DockerSettings) -> Iterator[Finding]:
    """From a container like those of a run to the store that a run would have."""
    with ExitStack() as stack:
        site = stack.enter_context(closing(Site(told, containers=1, sizes_mb=[0])))
        if settings.store is None:
            private = stack.enter_context(closing(BridgedStore(site.gateway)))
            private.wait_ready()
            address = parse(private.url_for_containers)
        else:
            address = parse(settings.store)
        command = ["python3", "-c", PROBE, address.host, str(address.port)]
        small = Limits(LEAST_MEMORY, cpus=0.5, pids=told.pids, tmp_bytes=told.tmp)
        said = site.daemon.output(site.name, told.base_image, small, command)
        yield from reached(said, address, told.base_image)


def reached(said: str, address: Address, base: str) -> Iterator[Finding]:
    version, _, how = said.partition("\n")
    if not version.replace(".", "").isdigit():
        fix = "Name an image with Python in the setting base."
        yield failed("container", f"no python3 runs in {base}: {said}", fix)
        return
    if version == minor():
        yield ok("container", f"{base} has Python {version}, as the client has")
    else:
        fix = f"Name an image with Python {minor()} in the setting base."
        yield failed("container", f"{base} has Python {version}, the client {minor()}", fix)
    if how == "reached":
        yield ok("network", f"a container reaches {address.shown}")
    else:
        fix = "Name the store as containers reach it in the setting store, and see to its firewall."
        yield failed("network", f"a container does not reach {address.shown}: {how}", fix)
