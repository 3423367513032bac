"""A run in the store without any containers: each kind of call that a real one makes, once."""

from __future__ import annotations

import secrets
from contextlib import suppress

from dask_serverless.blobs.redis import RedisBlobs
from dask_serverless.coordination.base import OK, Answer, Report, Submission
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.errors import StoreCommandFailed, StoreError
from dask_serverless.store.link import Link
from dask_serverless.worker.bundle import BundleSpec, encode, pack_children, pack_releases

LEASE_MS = 10_000
LIVE_SECONDS = 60  # what is left where this is killed
PROBE = b"dask-serverless" * 4096
CONTAINER, CLAIM = "doctor", "rehearsal"
EMPTY = BundleSpec(
    slot=-1, inputs=(), program=[], constants={}, pickled={}, hoisted={}, stored=(0,), wanted=(),
    children=pack_children([]), releases=pack_releases([]),
)  # fmt: skip


def rehearse(link: Link) -> None:
    """Raises what the store has against it; leaves nothing."""
    run, epoch = f"{link.address.tenant}doctor-{secrets.token_hex(8)}", secrets.token_hex(8)
    coordination, blobs = RedisCoordination(link, run, epoch), RedisBlobs(link)
    stored = blobs.put(f"{run}/probe", [PROBE])
    try:
        submission = Submission(
            epoch, bundles=1, containers=1, lease_ms=LEASE_MS, attempts=1,
            live_seconds=LIVE_SECONDS, header=b"", specs=[encode(EMPTY)], blobs=[stored.reference],
            ready=[(0, -1)],
        )  # fmt: skip
        coordination.submit(submission, stored.commands)
        perform(coordination)
        if blobs.get([stored.reference]) != [PROBE]:
            raise StoreCommandFailed(link.address.shown, "GET", "another value than was SET")
    finally:
        with suppress(StoreError):
            coordination.close()
            blobs.delete([stored.reference])


def perform(coordination: RedisCoordination) -> None:
    """What a container does, and what its client hears of that."""
    report = Report(0, CLAIM, [0, b"i"], EMPTY.children, EMPTY.releases, b"event")
    expect(coordination, "claim", coordination.claim(CONTAINER, CLAIM, invited=True, header=True))
    expect(coordination, "renew", coordination.renew(CONTAINER, 0, CLAIM))
    expect(coordination, "publish", coordination.publish(CONTAINER, report, ""))
    coordination.sweep((), LIVE_SECONDS)
    if not coordination.news("0-0", 1.0).events:
        raise StoreCommandFailed(coordination.link.address.shown, "XREAD", "the event is missing")


def expect(coordination: RedisCoordination, call: str, answer: Answer) -> None:
    if answer.status != OK:
        shown = coordination.link.address.shown
        raise StoreCommandFailed(shown, f"the script {call}", answer.why or answer.status)
