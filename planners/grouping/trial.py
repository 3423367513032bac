"""Trial: what a grouping would take on so many containers, if tasks were tiny and if not."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from math import log

import numpy as np
import numpy.typing as npt

from planners.graph.arrays import Ids, offsets_from_counts, places_in, unique_pairs
from planners.graph.quotient import Quotient

BUNDLE_SECONDS = 250e-6  # a round trip to the store and the switch to the next bundle
STORE_SECONDS = 50e-6  # of that, what the one store is busy with, however many containers
EDGE_SECONDS = 20e-6  # writing a small output and reading it elsewhere
TINY_TASK_SECONDS = 1.5e-6
LONG_TASK_SECONDS = 10e-3
NEGLIGIBLE_TASK_SECONDS = 30e-6  # overhead per task that nobody notices beside translating it


@dataclass(frozen=True, eq=False)
class Trial:
    """A grouping with its bundles numbered by urgency, and how it fared."""

    bundle_of: Ids  # node of the given graph → bundle
    bundles: int
    travelling: Ids  # nodes whose output another bundle takes, once for each such bundle
    tasks: int
    containers: int
    tiny_seconds: float
    long_seconds: float

    @property
    def regret(self) -> float:
        """Lower is better. Long tasks count more: there a bad grouping costs minutes, not ms."""
        return self._regret(self.tiny_seconds, self.long_seconds)

    def stretch(self, longest_path: int = 0) -> float:
        """How many times longer than long tasks must take: work evenly spread, or a path."""
        return self.long_seconds / self._shortest(longest_path)

    def finer_is_hopeless(self, longest_path: int, best: Trial) -> bool:
        """Whether four times the bundles lose to the best even if nothing waits for anything."""
        return self._regret(2 * self.tiny_seconds, self._shortest(longest_path)) > best.regret

    def _regret(self, tiny_seconds: float, long_seconds: float) -> float:
        negligible = 1e-3 + NEGLIGIBLE_TASK_SECONDS * self.tasks
        return log(tiny_seconds + negligible) + 2 * log(long_seconds + negligible)

    def _shortest(self, longest_path: int) -> float:
        return LONG_TASK_SECONDS * max(self.tasks / self.containers, longest_path)


def run_trial(graph: Quotient, bundle_of: Ids, bundles: int, containers: int) -> Trial:
    """Number the bundles by urgency and run them on paper."""
    merged = graph.merged(bundle_of, bundles)
    order = merged.by_urgency()
    merged, bundle_of = merged.reordered(order), places_in(order)[bundle_of]
    takers, travelling = _edges(graph, bundle_of)
    overhead = BUNDLE_SECONDS + EDGE_SECONDS * np.bincount(takers, minlength=bundles)
    tiny = makespan(merged, overhead + TINY_TASK_SECONDS * merged.weights, containers)
    long = makespan(merged, overhead + LONG_TASK_SECONDS * merged.weights, containers)
    return Trial(
        bundle_of=bundle_of,
        bundles=bundles,
        travelling=travelling,
        tasks=int(merged.weights.sum()),
        containers=containers,
        tiny_seconds=max(tiny, STORE_SECONDS * bundles),
        long_seconds=max(long, STORE_SECONDS * bundles),
    )


def _edges(graph: Quotient, bundle_of: Ids) -> tuple[Ids, Ids]:
    """Bundle and node for each output that a bundle takes from another one."""
    producers, users = bundle_of[graph.inputs], bundle_of[graph.edge_users]
    crossing = producers != users
    return unique_pairs(users[crossing], graph.inputs[crossing], graph.nodes)


def makespan(graph: Quotient, seconds: npt.NDArray[np.float64], containers: int) -> float:
    """List scheduling: a free container takes the first node in id order that is ready."""
    durations: list[float] = seconds.tolist()
    waits: list[int] = graph.input_counts.tolist()
    users: list[int] = graph.edge_users[np.argsort(graph.inputs, kind="stable")].tolist()
    begins: list[int] = offsets_from_counts(graph.user_counts).tolist()
    ready = [node for node, wait in enumerate(waits) if not wait]
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < containers:
            node = heappop(ready)
            heappush(running, (now + durations[node], node))
        now, node = heappop(running)
        for user in users[begins[node] : begins[node + 1]]:
            waits[user] -= 1
            if not waits[user]:
                heappush(ready, user)
    return now
