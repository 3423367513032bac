"""Containers of a Docker daemon, beside distributed's workers in such containers."""

from __future__ import annotations

from benchmarks.backends.base import Backend
from benchmarks.cold_start import COLD, WARMED, measure_cold, saved
from benchmarks.peers import SERVERLESS, Peer
from benchmarks.peers.docker_containers import start_distributed, start_serverless
from benchmarks.targets import Target, against, milliseconds

PEERS = {
    peer.name: peer
    for peer in (
        Peer(SERVERLESS, "docker", start_serverless),
        Peer("distributed", "distributed", start_distributed),
    )
}
TARGETS = (
    Target("fine-grained against distributed", 10, True, against("distributed", "fine")),
    Target("arrays against distributed", 2, True, against("distributed", "array")),
    Target("one warm task, milliseconds", 10, False, milliseconds(SERVERLESS, "one")),
)

BACKEND = Backend(PEERS, TARGETS, (COLD, WARMED), measure_cold, saved)
