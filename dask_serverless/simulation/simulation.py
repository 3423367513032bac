"""Simulation: what a simulated run took, and how to get one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dask_serverless.client.pause import CollectorPaused
from dask_serverless.simulation.ahead import AheadWorld
from dask_serverless.simulation.ahead_facts import AHEAD, AheadFacts
from dask_serverless.simulation.facts import Facts
from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.near import NearWorld
from dask_serverless.simulation.near_facts import NearFacts
from dask_serverless.simulation.world import World
from dask_serverless.translation.asked import containers_for, near_of
from planners.cost.layout import lay_out
from planners.cost.platform import Platform
from planners.graph.arrays import Floats, Ids
from planners.numbers.workload import Workload
from planners.plans.plan import Plan
from planners.plans.tables import in_bytes


@dataclass(frozen=True, eq=False)
class Simulation:
    """Times are seconds since submission, by the store's clock; arrays are by bundle."""

    plan: Plan = field(repr=False)
    model: BackendModel
    begun: Floats = field(repr=False)  # claimed: its inputs are fetched from now on
    fetched: Floats = field(repr=False)
    finished: Floats = field(repr=False)  # its outputs are stored and announced
    container: Ids = field(repr=False)
    cold_starts: int
    warm_starts: int
    vain: int  # of these starts, those that found nothing to do
    version: int  # how often the plan was changed: bundles left their slots
    store_calls: int
    bytes_up: float
    bytes_down: float
    gb_seconds: float  # from each start until its container leaves
    cost: float

    @property
    def makespan_seconds(self) -> float:
        """Until the last output is stored."""
        return float(self.finished.max(initial=0.0))

    @property
    def containers(self) -> int:
        """Those that ran anything."""
        return len(np.unique(self.container))

    def __str__(self) -> str:
        tasks, bundles = len(self.plan.bundles), len(self.finished)
        moved = f"{in_bytes(round(self.bytes_up))} up, {in_bytes(round(self.bytes_down))} down"
        starts = f"{self.cold_starts:,} cold and {self.warm_starts:,} warm starts"
        lines = (
            f"simulated: {tasks:,} tasks in {bundles:,} bundles, by {self.plan.planner}",
            f"makespan     {self.makespan_seconds:.3f} s",
            f"containers   {self.containers:,}; {starts}, {self.vain:,} of them in vain",
            f"store        {self.store_calls:,} calls; {moved}",
            f"paid for     {self.gb_seconds:.3f} GB s, cost {self.cost:.6f}",
        )
        return "\n".join(lines)


def world_of(
    workload: Workload, plan: Plan, platform: Platform, model: BackendModel, due: Sequence[int]
) -> World:
    """One that takes account of what is done ahead, or waits in memory, where anything does: these
    are slower.
    """
    if any(isinstance(note, AHEAD) for note in plan.annotations):
        return AheadWorld(AheadFacts(workload, plan, platform, model, due), model)
    asks = lay_out(plan, workload, platform).asks(platform.ask_bytes)
    if asks or near_of(plan):
        return NearWorld(NearFacts(workload, plan, platform, model, due), model)
    return World(Facts(workload, plan, platform, model, due), model)


def simulate(
    workload: Workload,
    plan: Plan,
    model: BackendModel,
    platform: Platform | None = None,
    due: Sequence[int] = (),
    sparing: bool = False,
) -> Simulation:
    """Run a plan through the real worker machines and the twin of the coordination.

    ``due``: how many ms after the submission each bundle should have begun, if late ones may leave
    their slots. ``sparing``: no more containers are invited than the plan has slots.
    """
    plan.validate(workload.dag)
    with CollectorPaused():  # millions of objects and no garbage
        world = world_of(workload, plan, platform or Platform(), model, due)
        if sparing:
            world.at_first = containers_for(plan, world.at_first)
        world.live()
    starts = world.cold_starts + world.warm_starts + world.asked_ahead
    moved = world.bytes_up + world.bytes_down
    return Simulation(
        plan=plan,
        model=model,
        begun=np.array(world.begun),
        fetched=np.array(world.fetched),
        finished=np.array(world.finished),
        container=np.array(world.container, dtype=np.int32),
        cold_starts=world.cold_starts,
        warm_starts=world.warm_starts,
        vain=world.vain,
        version=world.version,
        store_calls=world.calls,
        bytes_up=world.bytes_up,
        bytes_down=world.bytes_down,
        gb_seconds=world.gb_seconds,
        cost=model.prices.cost(world.gb_seconds, starts, moved),
    )
