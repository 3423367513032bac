"""How runs are planned: by the planner alone, or by what the history knows of their functions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from dask_serverless.blobs.blobs import INLINE_BYTES
from dask_serverless.client import forks
from dask_serverless.client.ignored import tell
from dask_serverless.client.informing import Prepared, decisive, innermost, prepared
from dask_serverless.client.optimizations import as_carried_out, planner_with
from dask_serverless.client.warmth import Warmth
from dask_serverless.config import Wishes
from dask_serverless.coordination.base import NEVER
from dask_serverless.errors import PlanRefused
from dask_serverless.history.history import History
from dask_serverless.history.observations import Followed
from dask_serverless.history.plans_made import Remembered
from dask_serverless.history.platform import measured_platform
from dask_serverless.history.signature import signature
from dask_serverless.history.tasks import identified
from dask_serverless.translation.repeatable import repeatable
from dask_serverless.translation.translate import Translation
from dask_serverless.values import OPTIMIZATIONS
from dask_serverless.worker.bundle import Limit
from planners.aimed import aimed, informed, numbers_of
from planners.cost.longest import Longest
from planners.cost.model import CostModel
from planners.cost.pace import NO_PACE, Pace, pace_of
from planners.cost.patience import Patience, patience_of
from planners.cost.platform import Platform, Prices
from planners.errors import PlanError, PredictionError, TooLittleMemory
from planners.graph.arrays import Floats
from planners.graph.dag import Dag
from planners.numbers.names import HASH, short_name
from planners.numbers.predictions import (
    VCPU_MB,
    Constant,
    Cores,
    Predictions,
    Unmeasured,
    cpu_share,
)
from planners.numbers.workload import function_names, names_of_tasks
from planners.plans.annotations import Chosen
from planners.plans.goals import Goals
from planners.plans.plan import Plan, Planner, Resources
from planners.registry import BUILT_IN, planner_by
from planners.structural import Structural

if TYPE_CHECKING:
    from planners.cost.outlook import Outlook

ALIKE = 0.8  # from which on a name is probably another one, mistyped
SHOWN = 8  # functions of a graph that a warning names
ANY_SIZE_MB = (10_240, 102_400, 1_024_000)  # of containers without sizes: as much as they have


@dataclass(frozen=True)
class Planned:
    """A plan, what it was made from, and who remembers it, if anybody does."""

    plan: Plan
    dag: Dag
    known: Remembered | None = None
    model: CostModel | None = None  # the numbers that decided, if any did
    due: Sequence[int] = ()  # when bundles should have begun: those that are late may be moved
    limits: Mapping[int, Limit] = field(default_factory=dict)  # of those that may be divided
    pace: Pace = NO_PACE  # lest it goes on in larger containers

    @property
    def teaches(self) -> bool:
        """Whether it is worth measuring how the tasks do."""
        return self.known is None or self.known.teaches(time.monotonic())

    def came(self, seconds: float, gb_seconds: float) -> list[Followed]:
        """What it took to carry it out, for the history."""
        return self.known.came(seconds, gb_seconds) if self.known is not None else []

    def passed(self, seconds: float) -> None:
        """It was carried out once more, without a lesson."""
        if self.known is not None:
            self.known.ran += seconds


@dataclass(frozen=True)
class Planning:
    """By whom, on how many containers, from which past, towards what."""

    planner: Planner
    containers: int
    history: History | None = None
    optimizations: tuple[str, ...] = OPTIMIZATIONS  # that containers may carry out
    impossible: tuple[str, ...] = ()  # what they would not be able to, and nobody switched off
    wishes: Wishes = Wishes()  # the planner has them, too, as far as it takes any
    warmth: Warmth = field(default_factory=lambda: Warmth(0.0))
    sizes_mb: tuple[int, ...] = ()  # of containers' memory, smallest first, if there are several
    memory_mb: int = 0  # that all of them have, if that is known and there is one size
    cores: Cores = ()  # of containers of each of these sizes, if they have others than AWS Lambda's
    price_table: Mapping[str, float] | None = None  # None: the planner's
    inline_bytes: int = INLINE_BYTES  # a smaller output travels within the coordination calls

    @property
    def sparing(self) -> bool:
        """Whether no more containers are to come than the plan has use for: it may be held to what
        they cost, and a run that is refused needs none.
        """
        goals = getattr(innermost(self.planner), "goals", None)
        return isinstance(goals, Goals) and goals.any

    def plan(self, translation: Translation) -> Planned:
        ready = prepared(self.planner, self.optimizations)
        planner = ready.planner
        if self.history is None and ready.by_shape:
            return Planned(self.planned(planner, translation.dag, translation), translation.dag)
        dag = identified(translation)
        if self.history is None or not ready.asks:
            if ready.own is not None:
                return self.by_own_numbers(planner, ready.own, dag, translation)
            return Planned(self.planned(planner, dag, translation), dag)
        names = dag.function_names
        graph = signature(names, dag.tasks, self.containers)
        told = ready.settings, self.sizes_mb, self.memory_mb, self.cores, self.inline_bytes
        keys = decisive(told, dag, names, graph, self.warmth.count())
        plans = self.history.plans
        known = plans.find(keys.exact)
        if known is not None and known.will_do:
            return self.again(known, known.plan, dag)
        alike = plans.find(keys.alike)
        if alike is not None and alike.will_do and alike.needs_no_numbers:
            return self.again(alike, alike.for_another(dag, self.resources), dag)
        made = self.planned_anew(ready, dag, graph, translation)
        if made.plan.prediction is not None:
            plans.keep(keys, made)
        return self.again(made, made.plan, dag)

    def again(self, known: Remembered, plan: Plan, dag: Dag) -> Planned:
        if "replanning" not in self.optimizations:
            return Planned(plan, dag, known, known.model)
        limits = known.limits if plan is known.plan else known.limits_for_another(plan)
        pace = known.pace if len(plan.slots) == len(known.plan.slots) else NO_PACE
        return Planned(plan, dag, known, known.model, known.due, limits, pace)

    def planned_anew(
        self, ready: Prepared, dag: Dag, graph: str, translation: Translation
    ) -> Remembered:
        begun = time.perf_counter()
        dag = with_flags(dag, translation)
        model = self.model(dag)
        plan = self.by_numbers(informed(ready.planner, model), dag, translation)
        longest = Longest(plan, dag, model, self.resources)
        patience, pace = patience_of(longest), pace_of(longest, ready.goals, self.sizes_mb)
        spent = time.perf_counter() - begun
        guessed = not model.predictions.knows_all(names_of_tasks(dag))
        return Remembered(graph, plan, model, ready.goals, spent, guessed, *late(patience), pace)

    def by_own_numbers(
        self, planner: Planner, own: CostModel, dag: Dag, translation: Translation
    ) -> Planned:
        """What its planner was told of tasks, with containers as they are here."""
        tell_of_unmatched(f"of the planner {planner.name!r}", own.predictions, dag)
        model = self.model(dag)
        plan = self.planned(informed(planner, model), with_flags(dag, translation), translation)
        return Planned(plan, dag, model=model)

    def by_numbers(self, planner: Planner, dag: Dag, translation: Translation) -> Plan:
        """What was measured refuses no run: of a chain of functions that each gave forty times what
        they took, it expects more bytes than there are atoms.
        """
        try:
            return self.planned(planner, dag, translation)
        except PlanRefused as refused:
            if not isinstance(refused.reason, PredictionError | TooLittleMemory):
                raise
            plan = self.planned(Structural(), dag, translation)
            return replace(plan, annotations=(Chosen(0.0, plan.planner, str(refused.reason), ()),))

    def planned(self, planner: Planner, dag: Dag, translation: Translation) -> Plan:
        """As containers will carry it out; whoever computes is told what they will not."""
        try:
            plan = planner.plan(dag, self.resources)
        except PlanError as error:
            raise PlanRefused(str(error), error) from error
        if plan.annotations:
            plan = as_carried_out(plan, translation, self.optimizations, self.impossible)
        if self.sizes_mb or planner.name not in BUILT_IN:  # which name a size in any case
            self.tell_of_memory(planner.name, int(plan.memory_mb.max(initial=0)))
        if self.wishes.limited:
            self.tell_of_limits(plan)
        return plan

    def tell_of_memory(self, planner: str, most_mb: int) -> None:
        """What of it is not carried out."""
        if not self.sizes_mb and most_mb:
            tell(
                "memory_mb",
                planner,
                f"The planner {planner!r} asks for memory_mb, which is not carried out: here all "
                "containers have the same. A backend with sizes takes memory=['512 MiB', '2 GiB'].",
            )
        if self.sizes_mb and most_mb > self.sizes_mb[-1]:
            tell(
                "memory_mb",
                f"{planner} beyond {self.sizes_mb[-1]}",
                f"The planner {planner!r} asks for containers of {most_mb} MiB, but the largest that "
                f"the setting memory names have {self.sizes_mb[-1]} MiB: they get these.",
            )

    def without(self, optimization: str) -> Planning:
        kept = tuple(name for name in self.optimizations if name != optimization)
        return replace(self, optimizations=kept)

    def tell_of_limits(self, plan: Plan) -> None:
        """Where it takes measurements that nobody made to say whether they are kept."""
        limits, asked = self.wishes.limits, self.history is not None
        what = "nothing was measured of these functions yet"
        if plan.prediction is not None:
            if not Goals(deadline=self.wishes.deadline, budget=self.wishes.budget).missed(
                plan.prediction
            ):
                return
            what = "some of these functions were never measured, and may take too long"
        tell(
            "limit",
            f"{limits} {what}",
            f"Whether {limits} can be kept is not known: {what}; "
            f"{'runs teach it' if asked else 'with history=True, runs teach it'}. No run is "
            "refused for that.",
        )

    def look(self, translation: Translation) -> Outlook:
        """What a run would be like, planned as it would be."""
        planned = self.plan(translation)
        return self.outlook(planned.plan, with_flags(planned.dag, translation), planned.model)

    def foreseen(self, planned: Planned) -> Callable[[], Outlook]:
        """Its outlook, for whoever asks later; holds no data, and no keys of tasks."""
        dag = planned.dag.without_labels()
        return partial(self.once, planned.known, planned.plan, dag, planned.model)

    def once(
        self, known: Remembered | None, plan: Plan, dag: Dag, model: CostModel | None
    ) -> Outlook:
        """With a dashboard open each run asks: to foresee a tree takes as long as to run it."""
        if known is None or known.plan is not plan:
            return self.outlook(plan, dag, model)
        if known.outlook is None or known.outlook.plan is not plan:
            known.outlook = self.outlook(plan, dag, model)
        return known.outlook

    def outlook(self, plan: Plan, dag: Dag, model: CostModel | None) -> Outlook:
        """What would come of it: by the numbers that decided, else by those that there are."""
        with forks.importing:
            from planners.cost.outlook import Outlook

        model = model or self.model(dag)
        return Outlook(plan, dag, model, self.resources, partial(self.other, model))

    def other(self, model: CostModel, name: str) -> Planner:
        """By the same numbers; with the same goals if it is one that looks for ways to meet them."""
        planner = planner_with(planner_by(name, model), self.optimizations)
        return aimed(planner, *self.wishes) if name == "auto" else planner

    @property
    def resources(self) -> Resources:
        return Resources(self.containers)

    def prices(self) -> Prices:
        """What is paid for containers, by whoever plans them and in what is told of a run."""
        if self.price_table is not None:
            return Prices(**self.price_table)
        inner = innermost(self.planner)
        return inner.platform.prices if isinstance(inner, CostModel) else Prices()

    def model(self, dag: Dag, newest: bool = False) -> CostModel:
        """The numbers that the planner goes by; where it needs none, what there are.

        ``newest``: also what was measured just now, which may take a while to look at.
        """
        numbers = numbers_of(innermost(self.planner))
        own = CostModel(sla=self.wishes.sla or "average")
        if numbers is not None:
            own = CostModel.of(numbers)
        own = replace(own, platform=self.as_here(own.platform))
        if not isinstance(own.predictions, Unmeasured):
            own = replace(own, platform=self.at_speed_of_lambda(own.platform))
            idling = own.platform.warm or own.platform.idling(self.warmth.count()).warm
            return replace(own, platform=replace(own.platform, warm=idling))
        made_up = replace(own.predictions, cores=self.cores)
        if self.history is None:
            return replace(own, predictions=made_up)
        names, warm = function_names(dag), self.warmth.count()
        asked = None if newest else names
        known = self.history.predictions(asked, fallback=made_up, cores=self.cores)
        return replace(
            own,
            predictions=known,
            platform=measured_platform(own.platform, known.platform, warm),
            outcomes=known.followed.outcomes(signature(names, dag.tasks, self.containers)),
        )

    def as_here(self, platform: Platform) -> Platform:
        """With what the settings say, and the sizes that there are.

        Of containers that are all alike, a task that needs more than the usual size has it, unless
        their size is known. What was measured of their tasks was measured in that size.
        """
        platform = replace(platform, prices=self.prices(), inline_bytes=self.inline_bytes)
        if self.sizes_mb:
            sizes = self.sizes_mb
            return replace(platform, memory_sizes_mb=sizes, default_memory_mb=sizes[0])
        usual = self.memory_mb or platform.default_memory_mb
        more = () if self.memory_mb else tuple([size for size in ANY_SIZE_MB if size > usual])
        return replace(
            platform,
            memory_sizes_mb=(usual, *more),
            default_memory_mb=usual,
            alike=True,
            speed_mb=VCPU_MB,
        )

    def at_speed_of_lambda(self, platform: Platform) -> Platform:
        """For numbers of the user's, which are those of AWS Lambda: of several sizes each has its own
        speed, and of containers alike all have that of as many cores.
        """
        if self.sizes_mb:
            return platform
        share = cpu_share(self.memory_mb, inf, self.cores)
        return replace(platform, speed_mb=max(1, round(VCPU_MB * share)))


def tell_of_unmatched(whose: str, numbers: Predictions, dag: Dag) -> None:
    """Names that were probably mistyped: where none is in the graph, or one like it is.

    Numbers are made once for many graphs, and few graphs have all functions that are known.
    """
    if not isinstance(numbers, Constant) or not (left := numbers.unmatched(dag.function_names)):
        return
    there = sorted({short_name(name) for name in names_of_tasks(dag)})
    if len(left) < len(numbers.names):
        known = {*there, *[name.partition(HASH)[0] for name in names_of_tasks(dag)]}
        left = [name for name in left if get_close_matches(name, known, 1, ALIKE)]
    if left:
        shown = ", ".join(map(repr, there[:SHOWN])) + (", …" if len(there) > SHOWN else "")
        tell(
            "predictions",
            f"{left}",
            f"The predictions {whose} name what is no function of this graph: "
            f"{', '.join(map(repr, left))}. It has {shown}, which may also be written with their "
            "modules. What no name means takes what the predictions say of any task.",
        )


def late(patience: Patience) -> tuple[Sequence[int], dict[int, Limit]]:
    """When bundles should have begun, as the store has it, and how long they may run."""
    runs, moving = patience.runs, patience.moving_seconds
    few = np.flatnonzero(np.isfinite(runs))
    limits = {
        bundle: Limit(seconds, moving)
        for bundle, seconds in zip(few.tolist(), runs[few].tolist(), strict=True)
    }
    timed = np.isfinite(patience.begins).any()
    return in_milliseconds(patience.begins) if timed else (), limits


def in_milliseconds(seconds: Floats) -> Sequence[int]:
    """As the store has times to begin by."""
    due: Sequence[int] = np.minimum(seconds * 1000, NEVER).astype(np.uint32).tolist()
    return due


def with_flags(dag: Dag, translation: Translation) -> Dag:
    """Which tasks may run more than once."""
    return replace(dag, repeatable=repeatable(translation))
