"""auto: predicts what candidates would take, as long as that pays, and says why others lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import hypot, inf
from operator import attrgetter
from time import perf_counter
from typing import ClassVar

import numpy as np

from planners.cost.allowance import Allowance, Clock, Effort
from planners.cost.model import CostModel
from planners.cost.timeline import Timeline
from planners.errors import GoalError, GoalInvalid, MissingPrediction, PlanError
from planners.graph.chains import chain_of_tasks
from planners.graph.dag import Dag
from planners.list_schedule import EFFORT, ListSchedule
from planners.non_uniform import NonUniform, best_memory
from planners.numbers.workload import Workload, function_names, names_of_tasks
from planners.optimizations.optimization import ALL, Optimization, optimize
from planners.plans.annotations import Chosen
from planners.plans.checked import CheckedPlanner
from planners.plans.goals import Goals
from planners.plans.plan import Plan, Planner, Prediction, Resources
from planners.simple import Simple
from planners.structural import Structural
from planners.uniform import Uniform
from planners.wukong import Wukong

__all__ = ["Auto", "GoalError"]

MANY_TASKS = 20_000  # beyond this many, slots are planned for structural's groups, not for tasks
AS_GOOD = 1.01  # forecasts are no nearer to the truth than that
NEAR = 1.2  # nor is the model, where it compares two plans of which one was never carried out
REDUCED = ("uniform", "list_schedule")  # planners whose slots may have less memory


@dataclass(frozen=True, eq=False)
class Candidate:
    """A plan that could be run, and what it would take."""

    name: str
    timeline: Timeline
    prediction: Prediction
    hoped: float  # makespan: where a way is hardly known yet, what it may be in the better case


@dataclass(frozen=True, eq=False)
class Try:
    """A way to a candidate, and the seconds that it may take to go there."""

    name: str
    estimate: float
    make: Callable[[], Timeline]


@dataclass(frozen=True)
class Given:
    """A plan that was made already, as a planner."""

    made: Plan

    @property
    def name(self) -> str:
        return self.made.planner

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        return self.made


@dataclass(frozen=True)
class Auto(CostModel):
    """``structural`` while nothing is known of the tasks; then whatever serves the goals best.

    ``planners`` adds a user's own to the candidates. Planning takes ``seconds`` at most, or if
    none are given a twentieth of what the best plan so far takes, and at least two milliseconds.
    """

    deadline: float | None = None  # seconds
    budget: float | None = None  # money, by the platform's prices
    planners: tuple[Planner, ...] = ()
    optimizations: tuple[Optimization, ...] = ALL
    seconds: float | None = None
    clock: Clock | None = perf_counter  # None: by the effort that it knows of, alike anywhere

    name: ClassVar[str] = "auto"

    def __post_init__(self) -> None:
        Goals(self.sla, self.deadline, self.budget)
        if self.seconds is not None and not self.seconds >= 0:
            raise GoalInvalid("seconds", self.seconds)

    @property
    def goals(self) -> Goals:
        return Goals(self.sla, self.deadline, self.budget)

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        if not self.predictions.knows(function_names(dag)):
            return Structural().plan(dag, resources)  # goals cannot be judged by made-up numbers
        allowance = Allowance(self.clock, self.seconds)
        try:
            workload = self.workload(dag, resources.containers)
            allowance.did(Effort.workload(len(function_names(dag)), dag.tasks))
            search = Search(self, workload, resources, allowance)
        except MissingPrediction:  # of some functions, and nothing stands in for them
            return Structural().plan(dag, resources)
        return search.run().answer()


class Search:
    """Candidates in the order of their promise, until planning has had its time.

    While none meets the goals it goes on all the same: an error that calls possible goals
    impossible would cost the user more than a second.
    """

    def __init__(
        self, auto: Auto, workload: Workload, resources: Resources, allowance: Allowance
    ) -> None:
        dag = workload.dag
        self.auto, self.workload, self.resources = auto, workload, resources
        self.goals, self.allowance = auto.goals, allowance
        self.by_structure = Structural().plan(dag, resources)
        allowance.did(Effort.structural(dag.tasks))
        self.tasks, self.many = dag.tasks, dag.tasks > MANY_TASKS
        # Slots by guesses are worse than none; where a goal has to be judged, they are all there is.
        self.known = auto.predictions.knows_all(names_of_tasks(dag))
        self.guessing = not self.known and not self.goals.any
        self.groups = self.by_structure.bundles if self.many else chain_of_tasks(dag)
        self.units = int(self.groups.max(initial=-1)) + 1
        self.sizes = self._memory_sizes()
        self.alive: list[Candidate] = []
        self.lost: list[tuple[str, str]] = []  # name, why there is no such candidate

    def run(self) -> Search:
        for one in self._tries():
            if one.estimate > self._left():
                self.lost.append((one.name, "not tried: planning has had its time"))
                continue
            try:
                timeline = one.make()
                self.alive.append(self._judge(one.name, timeline))
            except PlanError as error:  # a user's planner may do anything; the others still stand
                self.lost.append((one.name, str(error)))
            self.allowance.did(one.estimate)
        return self

    def _judge(self, name: str, timeline: Timeline) -> Candidate:
        auto, modelled = self.auto, timeline.prediction()
        hoped = auto.outcomes.hoped(name, modelled.modelled_seconds, auto.sla)
        return Candidate(name, timeline, auto.forecast(name, modelled), hoped)

    def answer(self) -> Plan:
        if not self.alive:
            raise PlanError("; ".join(f"{name}: {why}" for name, why in self.lost))
        meeting = self._meeting_goals()
        best = self._best(meeting) if meeting else self._possible()
        plan, note = best.timeline.plan, self._explain(best)
        return replace(plan, prediction=best.prediction, annotations=(note, *plan.annotations))

    def _possible(self) -> Candidate:
        """The first that meets the goals if what constants stand in for takes nothing.

        A run of a hundredth of a second was refused a deadline of one: by 10 ms for each new task.
        """
        if not self.known:
            least = self.auto.least()
            workload = least.workload(self.workload.dag, self.resources.containers)
            for one in self.alive:
                plan = one.timeline.plan
                if not self.goals.missed(least.expected(one.name, plan, workload, self.resources)):
                    return one
        raise self.goals.impossible([(one.name, one.prediction) for one in self.alive])

    def _best(self, meeting: list[Candidate]) -> Candidate:
        """Of a graph that has been run, the first that is as good but for what planning took.

        What is tried first needs less planning, is known better, and forecasts are not exact: on
        runs that differ among themselves, the way that did best so far was mostly the luckiest.
        """
        if self.goals.deadline is not None:
            return min(meeting, key=self._order)
        if not self.auto.outcomes:
            best = min(meeting, key=self._order)
            untried = self.workload.samples and self._untried(meeting[0], best)
            return meeting[0] if untried else best
        best = min(meeting, key=attrgetter("hoped"))
        if self._untried(meeting[0], best):
            return meeting[0]
        return next(one for one in meeting if one.hoped <= self._as_good(one, best))

    def _untried(self, first: Candidate, best: Candidate) -> bool:
        """Whether only the model says that slots by numbers are faster than what needs none.

        A model that expects four times of what comes does so of all plans, and whichever of them was
        taken first would be known to be faster than any other is expected to be, for ever.
        """
        structural = first.timeline.plan.planner == Structural.name
        if not structural or self.auto.outcomes.tried(first.name):
            return False
        return first.prediction.modelled_seconds <= best.prediction.modelled_seconds * NEAR

    def _as_good(self, one: Candidate, best: Candidate) -> float:
        """Seconds that chance alone may have made of the best plan's, and what planning took."""
        outcomes = self.auto.outcomes
        doubt = hypot(outcomes.doubt(one.name), outcomes.doubt(best.name))
        return best.hoped * max(AS_GOOD, 1 + doubt) + self.allowance.spent

    def _left(self) -> float:
        """How much may still be done; without end until there is a plan that will do."""
        meeting = self._meeting_goals()
        if not meeting:
            return inf
        return self.allowance.left(min(one.prediction.makespan_seconds for one in meeting))

    def _meeting_goals(self) -> list[Candidate]:
        return [one for one in self.alive if not self.goals.missed(one.prediction)]

    def _order(self, candidate: Candidate) -> tuple[float, float]:
        return self.goals.order(candidate.prediction)

    def _promise(self, candidate: Candidate) -> tuple[bool, float, float]:
        return bool(self.goals.missed(candidate.prediction)), *self._order(candidate)

    def _memory_sizes(self) -> list[int]:
        """Only the best for the fastest plan; all of them where money counts."""
        platform = self.auto.platform
        if self.resources.memory_mb:
            platform.check_memory(self.workload, self.resources.memory_mb)
            return [self.resources.memory_mb]
        best = best_memory(self.workload, platform)
        if not self.goals.any:
            return [best]
        sizes = [size for size in platform.fitting_sizes(self.workload) if size <= best]
        return [sizes[-1], sizes[0]] if self.many else sizes[::-1]

    def _tries(self) -> Iterator[Try]:
        for size in self.sizes:
            sized = replace(self.resources, memory_mb=size)
            yield self._plain(Structural.name, self._structural, sized)
            if size == self.sizes[0]:
                for planner in self.auto.planners:
                    yield self._custom(planner)
            if self.guessing:
                self.lost.append(("all that goes by numbers", "some functions were never measured"))
                return
            yield from self._by_numbers(sized)
            if not self.many:
                for planner in (Wukong(), Simple()):
                    yield self._plain(planner.name, partial(planner.plan, self.workload.dag), sized)
        yield from self._optimized()
        yield from self._on_fewer_containers()

    def _plain(self, name: str, plan: Callable[[Resources], Plan], sized: Resources) -> Try:
        """A planner that takes hardly longer than its timeline."""
        name = f"{name} at {sized.memory_mb} MB"
        estimate = Effort.timeline(self.tasks, self.units)
        return Try(name, estimate, partial(self._judged, plan, sized))

    def _custom(self, planner: Planner) -> Try:
        checked = CheckedPlanner(planner, getattr(planner, "name", type(planner).__name__))
        return self._plain(checked.name, partial(checked.plan, self.workload.dag), self.resources)

    def _structural(self, sized: Resources) -> Plan:
        memory = np.full_like(self.by_structure.memory_mb, sized.memory_mb)
        return replace(self.by_structure, memory_mb=memory)

    def _judged(self, plan: Callable[[Resources], Plan], sized: Resources) -> Timeline:
        return self.auto.timeline(plan(sized), self.workload, sized)

    def _by_numbers(self, sized: Resources) -> Iterator[Try]:
        """Slots by what tasks take; and the same with less memory, where it lies idle."""
        at = f"at {sized.memory_mb} MB"
        yield self._uniform(f"uniform {at}", sized)
        yield self._list_schedule(f"list_schedule {at}", sized)
        if sized.memory_mb == self.sizes[0] and not self.resources.memory_mb:
            yield from self._reduced(sized)

    def _uniform(self, name: str, sized: Resources) -> Try:
        uniform = Uniform.of(self.auto, memory_mb=sized.memory_mb)
        estimate = Effort.uniform(self.units) + Effort.timeline(self.tasks, self.units)
        place = partial(uniform.place, self.workload, groups=self.groups)
        return Try(name, estimate, partial(self._judged, place, sized))

    def _on_fewer_containers(self) -> Iterator[Try]:
        """While all is too dear: each container is paid for while it starts and while it waits."""
        if self.goals.budget is None or self.guessing:
            return
        for size in dict.fromkeys((self.sizes[0], self.sizes[-1])):
            containers = min(self.resources.containers, self.units) // 2
            while containers and not self._meeting_goals():
                sized = replace(self.resources, containers=containers, memory_mb=size)
                yield self._uniform(f"uniform on {containers} at {size} MB", sized)
                containers //= 2

    def _list_schedule(self, name: str, sized: Resources) -> Try:
        """As many passes as fit into half of what is left; with many tasks, a single one."""
        slots = min(sized.containers, self.units)
        once = Effort.earliest_finish(self.units, slots) + Effort.timeline(self.tasks, self.units)
        most = 0.0 if self.many else EFFORT / 1e6 / len(self.sizes)
        seconds = min(most, self._left() / 2)
        looks = int(max(seconds / once, 1)) * self.units * slots
        planner = ListSchedule.of(self.auto, memory_mb=sized.memory_mb, effort=looks)
        groups = self.groups if self.many else None
        make = partial(planner.fastest, self.workload, sized, groups)
        return Try(name, max(once, seconds), make)

    def _reduced(self, sized: Resources) -> Iterator[Try]:
        """Where slots were chosen by numbers; the fewest that do are looked for, if few tasks."""
        estimate = Effort.reduction(self.tasks, self.units)
        limit = self.goals.deadline or 0.0
        for one in tuple(self.alive):
            maker = one.timeline.plan.planner
            if one.name != f"{maker} at {sized.memory_mb} MB" or maker not in REDUCED:
                continue
            fewest = maker == Uniform.name and not self.many
            start = None if fewest else Given(one.timeline.plan)
            reducer = NonUniform.of(self.auto, start=start, slack=0.0, limit_seconds=limit)
            name = NonUniform.name if fewest else f"{NonUniform.name} from {maker}"
            reduce = partial(reducer.place, self.workload)
            make = partial(self._judged, reduce, sized)
            yield Try(f"{name} at {sized.memory_mb} MB", estimate, make)

    def _optimized(self) -> Iterator[Try]:
        """What leads comes first; with many tasks, it alone."""
        optimizations = self.auto.optimizations
        leading = sorted(self.alive, key=self._promise) if optimizations else []
        for one in leading if self.tasks <= MANY_TASKS // 10 else leading[:1]:
            estimate = Effort.optimize(self.tasks, one.timeline.layout.bundles)
            make = partial(optimize, one.timeline, self.resources, optimizations)
            yield Try(f"{one.name}, optimized", estimate, make)

    def _explain(self, best: Candidate) -> Chosen:
        others = [one for one in self.alive if one is not best]
        chosen = best.prediction
        slower = self.alive[0].prediction.makespan_seconds - chosen.makespan_seconds
        why_not = [(one.name, self.goals.why_not(one.prediction, chosen)) for one in others]
        return Chosen(
            saves_seconds=max(slower, 0.0),
            name=best.name,
            why=f"{chosen.makespan_seconds:.3f} s for {chosen.cost:.6f}",
            others=(*why_not, *self.lost),
        )
