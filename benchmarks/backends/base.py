"""What a comparison has to know of the backend that it takes place on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.peers import Peer
from benchmarks.rounds import Effort
from benchmarks.samples import Table
from benchmarks.targets import Target


@dataclass(frozen=True)
class Backend:
    """``measure_start(peers, table, effort)`` fills the rows ``starts``, once all peers have stopped."""

    peers: Mapping[str, Peer]
    targets: Sequence[Target]
    starts: Sequence[str]
    measure_start: Callable[[Sequence[str], Table, Effort], None]
    start_rows: Callable[[Table], Iterable[str]] = lambda table: ()
