"""Processes of this host, beside all that is measured against them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.backends.base import Backend
from benchmarks.fresh_process import GRAPH, measure_fresh
from benchmarks.peers import PEERS
from benchmarks.rounds import Effort
from benchmarks.samples import Table
from benchmarks.targets import TARGETS

MOST_PROCESSES = 3  # of each peer


def measure_start(peers: Sequence[str], table: Table, effort: Effort) -> None:
    measure_fresh(peers, table, min(effort.repeat, MOST_PROCESSES), effort.containers)


BACKEND = Backend(PEERS, TARGETS, (GRAPH,), measure_start)
