"""Runs a translated graph within this process: the real shell over the memory twins."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from dask_serverless.blobs.blobs import Blobs
from dask_serverless.blobs.memory import Memory
from dask_serverless.blobs.storage import Storage
from dask_serverless.coordination.base import OVER, Submission
from dask_serverless.coordination.memory import MemoryCoordination, MemoryStore
from dask_serverless.translation.encode import encode_run
from dask_serverless.translation.recipes import nested
from dask_serverless.translation.translate import translate
from dask_serverless.worker.failure import unpack_failure
from dask_serverless.worker.header import Header
from dask_serverless.worker.invitation import Invitation
from dask_serverless.worker.means import Means
from dask_serverless.worker.shell import Shell
from planners.plans.bundles import bundles_of
from planners.plans.plan import Planner, Resources
from planners.registry import planner_named


class OneRun:
    """What a shell reaches here: nothing goes to a server."""

    def __init__(self, store: MemoryStore, blobs: Blobs) -> None:
        self.store = store
        self.shared = blobs

    def coordination(self, invitation: Invitation) -> MemoryCoordination:
        return MemoryCoordination(self.store, invitation.run, invitation.epoch)

    def blobs(self, invitation: Invitation, storage: Storage) -> Blobs:
        return self.shared

    def aside(self) -> OneRun:
        return self

    def close(self) -> None: ...


class Unkept:
    """Leases here are longer than any test."""

    others_wait = False

    def hold(self, *held: object) -> None: ...

    def drop(self) -> None: ...

    def end_locks(self) -> None: ...


def fail(invitation: Invitation, why: str) -> None:
    raise AssertionError(why)


def get(
    graph: Mapping[Any, Any],
    keys: Any,
    *,
    planner: str | Planner = "structural",
    containers: int = 2,
    inline_bytes: int = 16 << 10,
    observe: bool = False,
) -> Any:
    """Like ``dask.get``, through everything but processes, sockets and a server."""
    translation = translate(graph, keys)
    if not translation.dag.tasks:
        return nested(translation.keys, translation.recipes, {})
    planner = planner_named(planner) if isinstance(planner, str) else planner
    plan = planner.plan(translation.dag, Resources(containers))
    bundles = bundles_of(translation.dag, plan)
    memory, store = Memory(), MemoryStore()
    blobs = Blobs(memory, inline_bytes=inline_bytes)
    encoded = encode_run(translation, plan, bundles, blobs, "run")
    client = MemoryCoordination(store, "run", "epoch")
    header = Header(
        functions=encoded.functions,
        storage=Storage(inline_bytes=inline_bytes),
        lease_seconds=600.0,
        observe=observe,
    )
    client.submit(
        Submission(
            epoch="epoch",
            bundles=len(encoded.specs),
            containers=containers,
            lease_ms=600_000,
            attempts=1,
            live_seconds=600,
            header=header.pack(),
            specs=encoded.specs,
            blobs=encoded.blobs,
            ready=encoded.ready,
            slotted=encoded.slotted,
            spread=encoded.spread,
        )
    )
    invited = deque([Invitation("run", "epoch", "memory")] * containers)
    connections = OneRun(store, blobs)
    shells = {
        name: Shell(Means(name, connections, invited.append, fail, Unkept()))
        for name in (f"c{n}" for n in range(containers))
    }
    turns = 0
    while invited:
        invitation = invited.popleft()
        name = invitation.container or f"c{turns % containers}"
        turns += 1
        shells[name].work(invitation)
    condition = client.sweep((), 60)
    assert condition.status == OVER
    if condition.why == "failed":
        raise unpack_failure(condition.error, translation.dag, bundles.tasks_of)
    wanted = [task for task, flag in enumerate(translation.dag.wanted) if flag]
    values = dict(zip(wanted, blobs.get(client.outputs(wanted)), strict=True))
    result = nested(translation.keys, translation.recipes, values)
    remains = client.close()
    blobs.delete(remains.references)
    assert memory.blobs == {}
    return result
