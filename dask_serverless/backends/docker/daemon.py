"""The Docker daemon, through its SDK: each thing that can be missing is one clear error."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dask_serverless.backends.docker.room import context_in, daemons_remedy
from dask_serverless.errors import ImageNotBuilt, PlatformUnavailable
from dask_serverless.store.address import without_password

LABEL = "dask-serverless"  # of all that a pool makes; its value is the pool's name
FORSAKEN = "24h"  # a network that is as old as that, and has no container
API_SECONDS = 60
SHOWN_LINES = 12
INNERMOST = re.compile(r"""\w+\((?:\d+, )?(['"])(.*?)\1\)""")  # as one error quotes another
FRAME = struct.Struct(">BxxxI")  # of an attached stream: which one, and how many bytes follow
INSTALL = "Install it with `pip install dask-serverless[docker]`."
START = "Start it (`systemctl start docker`, or `dockerd` as root), or name another in DOCKER_HOST."
ALLOWED = "Add this user to the group docker, or run as root."


@dataclass(frozen=True)
class Limits:
    """Of one container."""

    memory_bytes: int
    cpus: float
    pids: int
    tmp_bytes: int


class Attached:
    """A container's standard streams."""

    def __init__(self, stream: Any) -> None:
        self.stream: socket.socket = getattr(stream, "_sock", stream)
        self.kept = stream  # closing it would close the socket

    def send(self, told: Mapping[str, Any]) -> None:
        self.stream.sendall(json.dumps(told).encode() + b"\n")

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """What it writes, until its end: 1 and the bytes, or 2 and those of standard error."""
        while head := self.read(FRAME.size):
            number, length = FRAME.unpack(head)
            yield number, self.read(length)

    def read(self, length: int) -> bytes:
        parts = b""
        while len(parts) < length:
            try:
                part = self.stream.recv(length - len(parts))
            except OSError:
                return b""
            if not part:
                return b""
            parts += part
        return parts

    def close(self) -> None:
        """For everybody who has them, also a parent."""
        with suppress(OSError):
            self.stream.shutdown(socket.SHUT_RDWR)
        self.abandon()

    def abandon(self) -> None:
        """In this process alone."""
        with suppress(OSError):
            self.kept.close()
            self.stream.close()


class Events:
    """What happens to containers, as it happens: container, what, its exit status, and when."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __iter__(self) -> Iterator[tuple[str, str, str, float]]:
        for event in self.stream:
            actor = event.get("Actor", {})
            status = actor.get("Attributes", {}).get("exitCode", "?")
            at = event.get("timeNano", 0) / 1e9
            yield actor.get("ID", ""), event.get("Action", ""), status, at

    def close(self) -> None:
        """Whoever reads comes to the end."""
        with suppress(OSError):
            self.stream.close()


class Daemon:
    """Any thread may use it."""

    def __init__(self) -> None:
        try:
            import docker
            from requests import ConnectionError
        except ImportError as error:
            problem = f"the package docker cannot be imported ({error})"
            raise PlatformUnavailable("docker", problem, INSTALL) from None
        self.errors = docker.errors
        self.gone = ConnectionError  # of the daemon's socket
        try:
            self.client = docker.from_env(timeout=API_SECONDS, version="auto")
            self.client.ping()
        except Exception as error:
            denied = "ermission denied" in str(error)
            problem = f"no Docker daemon answers ({last(error)})"
            raise PlatformUnavailable("docker", problem, ALLOWED if denied else START) from None
        self.api = self.client.api

    @contextmanager
    def refusing(self, doing: str) -> Iterator[None]:
        """What the daemon has against something, as an error of ours."""
        try:
            yield
        except self.gone as error:
            problem = f"no Docker daemon answers any more ({last(error)})"
            raise PlatformUnavailable("docker", problem, START) from error
        except (self.errors.DockerException, OSError) as error:
            why = said(error)
            problem = f"{doing} failed: {why}"
            raise PlatformUnavailable("docker", problem, daemons_remedy(why)) from error

    def information(self) -> Mapping[str, Any]:
        with self.refusing("to ask for its resources"):
            told: Mapping[str, Any] = self.client.info()
            return told

    def cpus(self) -> int:
        return int(self.information().get("NCPU", 1))

    # images

    def image_id(self, base: str) -> str:
        """Pulled first, if it is not here."""
        with self.refusing(f"to look for the image {base}"), suppress(self.errors.ImageNotFound):
            return str(self.client.images.get(base).id)
        try:
            return str(self.client.images.pull(base).id)
        except (self.errors.APIError, OSError) as error:
            why = f"there is no base image {base} here, and to pull it failed: {said(error)}"
            remedy = "Name one that is there in the setting base, or make it with docker import."
            raise ImageNotBuilt(why, daemons_remedy(why, remedy)) from None

    def has_image(self, tag: str) -> bool:
        with self.refusing(f"to look for the image {tag}"):
            try:
                self.client.images.get(tag)
            except self.errors.ImageNotFound:
                return False
            return True

    def build(self, folder: str, tag: str, base: str) -> None:
        from docker.utils import tar

        told: list[str] = []
        try:
            # The SDK's own file is left behind where this is a thread of a process that ends.
            with context_in(Path(folder).parent) as context:
                for step in self.api.build(
                    fileobj=tar(folder, fileobj=context), custom_context=True, tag=tag,
                    buildargs={"BASE": base}, rm=True, forcerm=True, decode=True,
                    labels={LABEL: "image"},
                ):  # fmt: skip
                    told.append(step.get("stream") or step.get("error") or "")
                    if "error" in step:
                        why = "".join(told[-SHOWN_LINES:]).strip()
                        raise ImageNotBuilt(why, daemons_remedy(why))
        except (self.errors.DockerException, self.gone) as error:
            why = said(error)
            raise ImageNotBuilt(why, daemons_remedy(why)) from error

    def push(self, tag: str, place: str, user: str, password: str) -> None:
        """An image that is here, to a registry."""
        repository, _, name = place.rpartition(":")
        with self.refusing(f"to push the image to {place}"):
            self.api.tag(tag, repository, name, force=True)
            told = {"username": user, "password": password}
            for step in self.api.push(repository, name, stream=True, decode=True, auth_config=told):
                if "error" in step:
                    raise OSError(step["error"])

    # networks

    def make_network(self, pool: str, subnet: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """A private one: its subnet, and where its host is there. The daemon chooses, if nobody does."""
        with self.refusing("to make a private network"):
            network = self.api.create_network(
                pool, driver="bridge", labels={LABEL: pool},
                ipam={"Driver": "default", "Config": [subnet]} if subnet else None,
            )  # fmt: skip
            found = self.api.inspect_network(network["Id"])
        told = found["IPAM"]["Config"][0]
        return {name: str(told[name]) for name in ("Subnet", "Gateway")}

    def has_network(self, pool: str) -> bool:
        with self.refusing(f"to look for the network {pool}"):
            return bool(self.api.networks(filters={"label": f"{LABEL}={pool}"}))

    def remove_forsaken_networks(self) -> None:
        """Of pools whose folder is gone, too: a new start of the host empties /tmp.

        A client that lives, and had no container just now, makes its own again.
        """
        with suppress(self.errors.DockerException, OSError):
            self.api.prune_networks({"label": LABEL, "until": FORSAKEN})

    # containers

    def create(
        self, pool: str, name: str, image: str, limits: Limits, environment: Mapping[str, str],
        command: Sequence[str] | None = None,
    ) -> tuple[str, Attached]:  # fmt: skip
        """A container that is not started yet, and its streams; else the image says what it runs."""
        host = self.api.create_host_config(
            auto_remove=True,
            mem_limit=limits.memory_bytes,
            memswap_limit=limits.memory_bytes,  # no swap: what is too much is too much
            nano_cpus=int(limits.cpus * 1e9),
            pids_limit=limits.pids,
            read_only=True,
            tmpfs={"/tmp": f"rw,nosuid,nodev,mode=1777,size={limits.tmp_bytes}"},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )
        container = self.api.create_container(
            image, name=name, environment=dict(environment), labels={LABEL: pool},
            entrypoint=command,
            stdin_open=True, detach=False, host_config=host,
            networking_config=self.api.create_networking_config(
                {pool: self.api.create_endpoint_config()}
            ),
        )["Id"]  # fmt: skip
        wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        return container, Attached(self.api.attach_socket(container, params=wanted))

    def start(self, container: str, pool: str) -> str:
        """Its address in the pool's network."""
        self.api.start(container)
        networks = self.api.inspect_container(container)["NetworkSettings"]["Networks"]
        return str(networks[pool]["IPAddress"])

    def output(self, pool: str, image: str, limits: Limits, command: Sequence[str]) -> str:
        """What a command says in a container like all others, once it is over."""
        with self.refusing(f"to run a container of the image {image}"):
            container, attached = self.create(pool, f"{pool}-output", image, limits, {}, command)
            try:
                self.api.start(container)
                return b"".join(data for _, data in attached).decode(errors="replace").strip()
            finally:
                attached.close()
                self.remove(container)

    def remove(self, container: str) -> None:
        with suppress(self.errors.DockerException, OSError):
            self.api.remove_container(container, force=True, v=True)

    def events(self, pool: str) -> Events:
        """The ends of a pool's containers, from now on."""
        wanted = {"label": f"{LABEL}={pool}", "event": ["die", "oom"], "type": "container"}
        return Events(self.api.events(filters=wanted, decode=True))

    def clear(self, pool: str) -> None:
        """Remove all that a pool has made, but images."""
        wanted = {"label": f"{LABEL}={pool}"}
        with suppress(self.errors.DockerException, OSError):
            for container in self.api.containers(all=True, filters=wanted):
                self.remove(container["Id"])
            for network in self.api.networks(filters=wanted):
                self.api.remove_network(network["Id"])

    def close(self) -> None:
        self.client.close()


def said(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error)


def last(error: BaseException) -> str:
    """The SDK wraps the one line that says why into several that do not."""
    found = str(error).replace("Error while fetching server API version: ", "")
    if innermost := INNERMOST.findall(found):
        found = innermost[-1][1]
    return without_password(found, os.environ.get("DOCKER_HOST")) or type(error).__name__
