"""What a run took, and where the time went."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dask_serverless.client import forks
from dask_serverless.client.accounting import Account, accounts_of, visited
from dask_serverless.client.course import Course
from dask_serverless.client.failed import first_line
from dask_serverless.coordination.base import Event
from dask_serverless.coordination.moving import Move
from dask_serverless.coordination.resizing import Resize
from dask_serverless.coordination.splitting import Split
from dask_serverless.coordination.untold import Untold
from dask_serverless.errors import NothingToCompare
from dask_serverless.worker.told import Finished, Used

if TYPE_CHECKING:
    from dask_serverless.client.evidence import Evidence, Transfers
    from dask_serverless.client.savings import Savings
    from dask_serverless.client.vs_plan import VsPlan
    from planners.cost.outlook import Outlook
    from planners.cost.platform import Prices
    from planners.graph.arrays import Flags
    from planners.plans.plan import Plan

PHASES = ("materialise", "translate", "plan", "encode", "submit", "wait", "collect")


class Phase:
    """Adds the time of a with block to a report."""

    __slots__ = ("begun", "name", "report")

    def __init__(self, report: RunReport, name: str) -> None:
        self.report = report
        self.name = name

    def __enter__(self) -> None:
        self.begun = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        now = time.perf_counter()
        self.report.phases[self.name] += now - self.begun
        self.report.wall_seconds = now - self.report.started


@dataclass(frozen=True)
class Asked:
    """What a plan asked containers to do for one optimization."""

    times: int
    planned_seconds: float  # that the plan hoped to save by it, all in all
    saved_seconds: float | None = None  # None: cannot be told from what came
    assumed: str = ""  # what this rests on though nobody has measured it: "transfers"

    def __str__(self) -> str:
        told = f"{self.times} times, {self.planned_seconds:.3f} s saved by the plan"
        if self.saved_seconds is None:
            return told
        told += f", {self.saved_seconds:.3f} s by what came"
        return f"{told} with assumed {self.assumed}: none was measured" if self.assumed else told


@dataclass
class RunReport:
    """``Serverless.last_run``: times in seconds, sizes in bytes."""

    run: str
    tasks: int = 0
    bundles: int = 0
    client_calls: int = 0
    container_calls: int = 0
    bytes_moved: int = 0
    bytes_kept: int = 0  # not stored, since the next bundle took them from memory
    retries: int = 0  # attempts at tasks that raised, and were made again
    dropped_lines: int = 0  # of what tasks have printed, where somebody listens
    preloaded_seconds: float = 0.0  # of downloads that no bundle had to wait for
    streamed_seconds: float = 0.0  # of downloads that were done while others still stored
    phases: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set, repr=False)  # containers gone before the end
    moves: list[tuple[Move, float]] = field(default_factory=list, repr=False)  # and when, by the
    # store's clock: bundles that were late in their slots, and went elsewhere
    splits: list[tuple[Split, float]] = field(default_factory=list, repr=False)  # likewise: bundles
    # that took too long, and of which others got parts
    resizes: list[tuple[Resize, float]] = field(default_factory=list, repr=False)  # likewise: when
    # the run was behind its plan, and what had not begun went to larger containers
    sizes_mb: Sequence[int] = ()  # of containers' memory, if there are several
    plan: Plan | None = None
    error: str = ""  # what ended the run, if it failed
    # Of bundles that were divided: their tasks of which finished parts tell.
    parts: dict[int, set[int]] = field(default_factory=dict, repr=False)
    prices: Callable[[], Prices] = field(default=lambda: usual_prices(), repr=False)
    course: Course = field(default_factory=Course, repr=False)
    foreseen: Callable[[], Outlook] | None = field(default=None, repr=False)  # of the plan
    place: str = ""  # the kind of place that large outputs go to, as the history calls it
    transfers: Transfers | None = field(default=None, repr=False)
    evidence: Evidence | None = field(default=None, repr=False)  # where a plan's savings need it
    started: float = field(default_factory=time.perf_counter)
    wall_seconds: float = 0.0  # of the whole call, by the client's clock
    # From submission to the last output stored, or to the failure, by the store's clock.
    makespan_seconds: float = 0.0
    submitted: float | None = field(default=None, repr=False)  # by the store's clock, once it tells

    def phase(self, name: str) -> Phase:
        return Phase(self, name)

    def bundle(self, told: Finished, event: Event) -> None:
        """Add what a container says of a bundle it finished."""
        self.timed(event)
        mine = self.container(told.container, told.started, told.cold)
        if told.used is not None:
            self.took(told.container, told.used)
        mine["bundles"] += 1
        mine["fetch"] += told.fetching
        mine["run"] += told.running
        mine["store"] += told.storing
        ended = told.started + told.fetching + told.running + told.storing  # by its clock
        mine["until"] = max(mine["until"], ended)
        self.course.bundle(told, event)
        if told.part is not None:
            self.parts.setdefault(told.bundle, set()).update(told.part)
        if told.measured is not None and self.transfers is not None:
            self.transfers.add(told.measured)
        if self.evidence is not None:
            self.evidence.add(told)
        self.container_calls += told.calls
        self.bytes_moved += told.stored_bytes
        self.bytes_kept += told.kept_bytes
        self.preloaded_seconds += told.saved_seconds
        self.streamed_seconds += told.streamed_seconds
        self.retries += told.retries

    def container(self, name: str, since: float, cold: bool) -> dict[str, Any]:
        """What is known of it so far."""
        nothing = {
            "bundles": 0, "fetch": 0.0, "run": 0.0, "store": 0.0, "since": since, "until": since,
            "cold": cold, "cpu": 0.0, "peak": 0, "memory_mb": 0, "before": [],
        }  # fmt: skip
        return self.containers.setdefault(name, nothing)

    def untold(self, untold: Untold) -> None:
        """Add what a container that is gone took after it had told of something last."""
        self.lost.add(untold.container)
        came, until = untold.came_ms / 1e3, untold.until_ms / 1e3
        mine = self.container(untold.container, came, bool(untold.cold))
        mine["until"] += max(0.0, until - max(came, self.course.heard.get(untold.container, came)))
        mine["cpu"] += untold.cpu_ms / 1e3
        mine["peak"] = max(mine["peak"], untold.peak_bytes)
        mine["memory_mb"] = mine["memory_mb"] or untold.memory_mb

    def failed(self, event: Event) -> None:
        self.timed(event)

    def took(self, container: str, used: Used) -> None:
        """Add what a container has taken since it told before."""
        if (mine := self.containers.get(container)) is not None:
            if used.charged:
                visited(mine, since=used.charged)
            mine["cpu"] += used.cpu_seconds
            mine["peak"] = max(mine["peak"], used.peak_bytes)
            mine["memory_mb"] = used.memory_mb

    def timed(self, event: Event) -> None:
        if event.makespan:
            self.makespan_seconds = event.makespan
            self.submitted = event.at - event.makespan

    @property
    def accounts(self) -> list[Account]:
        """What was taken of containers, by the size of their memory."""
        return accounts_of(self.containers.values())

    @property
    def cold_starts(self) -> int:
        return sum(account.cold_starts for account in self.accounts)

    @property
    def warm_starts(self) -> int:
        return sum(account.warm_starts for account in self.accounts)

    @property
    def cpu_seconds(self) -> float:
        return sum(account.cpu_seconds for account in self.accounts)

    @property
    def peak_bytes(self) -> int:
        """The most memory that a container had at once, while it worked on this run."""
        return max((account.peak_bytes for account in self.accounts), default=0)

    @property
    def paid_gb_seconds(self) -> float:
        """In the sizes that containers had; without a limit, in the usual one."""
        return sum(account.gb_seconds for account in self.accounts)

    @property
    def cost(self) -> float:
        """By the price table of the planner's platform; AWS Lambda's, if it has none."""
        prices = self.prices()
        moved = prices.cost(0.0, 0, self.bytes_moved)
        return sum((account.cost(prices) for account in self.accounts), moved)

    @property
    def optimizations(self) -> dict[str, Asked]:
        """By name, those that were carried out."""
        from dask_serverless.client.optimizations import optimization_of

        asked: dict[str, Asked] = {}
        notes = self.plan.annotations if self.plan else ()
        savings = self.savings() if notes else None
        saved = savings.by_name(notes) if savings else {}
        for note in notes:
            if name := optimization_of(note):
                before = asked.get(name, Asked(0, 0.0))
                seconds = before.planned_seconds + getattr(note, "saves_seconds", 0.0)
                assumed = savings.assumed(name) if savings and saved.get(name) else ""
                asked[name] = Asked(before.times + 1, seconds, saved.get(name), assumed)
        if self.bytes_kept and (local := self.kept_local(notes)).times:
            asked["local_outputs"] = local
        return asked

    def savings(self) -> Savings | None:
        with forks.importing:
            from dask_serverless.client.savings import Savings

        return Savings(self, self.foreseen()) if self.foreseen else None

    def kept_local(self, notes: Iterable[object]) -> Asked:
        """What no plan has to ask for."""
        with forks.importing:
            from dask_serverless.client.kept_local import KeptLocal

        return KeptLocal(self, notes).asked

    def vs_plan(self) -> VsPlan:
        """What the plan had said beside what came, in all and bundle by bundle, and why they differ."""
        if self.foreseen is None or not len(self.course) == self.bundles_run > 0:
            raise NothingToCompare(self.run)
        with forks.importing:
            from dask_serverless.client.vs_plan import VsPlan

        return VsPlan(self.foreseen(), self)

    @property
    def by_numbers(self) -> Callable[[], Outlook] | None:
        """How it is expected to go, where the plan was made by numbers."""
        known = self.plan is not None and self.plan.prediction is not None
        return self.foreseen if known else None

    @property
    def bundles_run(self) -> int:
        """With parts of those that were divided."""
        return self.bundles + sum(split.parts for split, _ in self.splits)

    @property
    def done(self) -> Flags:
        """Which bundles of the plan are."""
        with forks.importing:
            import numpy as np

        done = np.zeros(self.bundles, dtype=bool)
        done[self.course.rows["bundle"]] = True
        for bundle, tasks in self.parts.items():
            assert self.plan is not None, "bundles are those of a plan"
            done[bundle] = len(tasks) == np.count_nonzero(np.asarray(self.plan.bundles) == bundle)
        return done

    @property
    def done_bundles(self) -> int:
        return int(self.done.sum()) if self.error else self.bundles

    @property
    def done_bits(self) -> bytes:
        """The same of a run that failed, a bit for each; empty where nothing was heard of it."""
        if not (self.error and self.containers):
            return b""
        with forks.importing:
            import numpy as np

        return np.packbits(self.done).tobytes()

    @property
    def version(self) -> int:
        """How often the plan was changed while it was carried out."""
        changes: list[Move | Split | Resize] = [
            told for each in (self.moves, self.splits, self.resizes) for told, _ in each
        ]
        return max([change.version for change in changes], default=0)

    @property
    def changes(self) -> str:
        """What was changed of it, in words."""
        words = ["moved"] * bool(self.moves) + ["divided"] * bool(self.splits)
        words += ["given other containers"] * bool(self.resizes)
        return f"late bundles were {' and '.join(words)}"

    @property
    def store_calls(self) -> int:
        return self.client_calls + self.container_calls

    @property
    def running(self) -> float:
        """Seconds of user code, over all containers."""
        return sum(c["run"] for c in self.containers.values())

    def _repr_html_(self) -> str:
        from dask_serverless.client.picture import picture

        return picture(self)

    @property
    def outcome(self) -> str:
        if not self.error:
            return f"{self.makespan_seconds:.3f} s from submission to the last output stored"
        if not self.containers:  # none has come
            return "failed"
        after = f" after {self.makespan_seconds:.3f} s" if self.makespan_seconds else ""
        return f"failed{after}, when {self.done_bundles} bundles were done"

    def __str__(self) -> str:
        phases = ", ".join(f"{name} {1000 * s:.1f} ms" for name, s in self.phases.items())
        lines = [
            f"{self.tasks} tasks in {self.bundles} bundles on {len(self.containers)} containers "
            f"({self.cold_starts} cold, {self.warm_starts} warm): {self.outcome}, "
            f"{self.wall_seconds:.3f} s in all",
            f"  client: {phases}",
            f"  store: {self.store_calls} calls, {self.bytes_moved} bytes",
        ]
        lines += [f"  {account.shown}" for account in self.accounts]
        if self.error:
            lines.insert(1, f"  error: {first_line(self.error)}")
        if self.containers:
            lines.append(f"  cost: {self.cost:.7f} by the price table")
        for name, asked in sorted(self.optimizations.items()):
            lines.append(f"  {name}: {asked}")
        if self.version:
            lines.append(f"  plan: version {self.version}, {self.changes}")
        if self.retries:
            lines.append(f"  retries of tasks that raised: {self.retries}")
        if self.bytes_kept:
            lines.append(f"  kept in memory: {self.bytes_kept} bytes")
        for name, c in sorted(self.containers.items()):
            times = ", ".join(f"{k} {1000 * c[k]:.1f} ms" for k in ("fetch", "run", "store"))
            lines.append(f"  {name}: {c['bundles']:.0f} bundles, {times}")
        return "\n".join(lines)


def usual_prices() -> Prices:
    with forks.importing:
        from planners.cost.platform import Prices

    return Prices()
