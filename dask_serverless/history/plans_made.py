"""Plans that were made for the same graph before: to make them anew may take what they save."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from dask_serverless.history.observations import Followed
from dask_serverless.worker.bundle import Limit
from planners.cost.model import CostModel
from planners.cost.pace import NO_PACE, Pace
from planners.graph.dag import Dag
from planners.numbers.outcomes import Outcome
from planners.plans.goals import Goals
from planners.plans.plan import Plan, Prediction, Resources
from planners.structural import Structural

if TYPE_CHECKING:
    from planners.cost.outlook import Outlook

MOST_PLANS = 64
LEARNING = 3  # times that a graph is planned anew, whatever that takes: its numbers are new
NEWS = 0.2  # of the outcomes that are known: fewer change a forecast by less than it costs
LESSON_SECONDS = 0.05  # runs that follow each other faster teach nothing new after that
SHARE = 0.02  # of the time that runs of a graph take, for planning it after that
SETTLED = 10  # times less of it in the end: the more often it was planned, the less that changes


class Keys(NamedTuple):
    """What tells a graph from others, and what graphs have in common that are planned alike.

    Dask orders the tasks of one computation in another way each time, where their keys are hashed.
    """

    exact: Hashable
    alike: Hashable


@dataclass
class Remembered:
    """A plan, what it took to make, and what has come of it since."""

    graph: str  # its signature, by which others learn of what came
    plan: Plan
    model: CostModel
    goals: Goals
    spent: float  # seconds of planning
    guessed: bool = False  # some of its functions had never been measured
    due: Sequence[int] = ()  # by bundle: when it should have begun, in ms after the submission
    limits: Mapping[int, Limit] = field(default_factory=dict)  # of bundles that may be divided
    pace: Pace = NO_PACE  # lest a run of it goes on in larger containers
    times: int = 1  # that this graph was planned
    ran: float = 0.0  # seconds of runs since then
    taught: float = -LESSON_SECONDS  # by a monotonic clock, when a run was measured last
    times_told: list[Outcome] = field(default_factory=list)  # not in the forecast yet
    paid_told: list[Outcome] = field(default_factory=list)
    outlook: Outlook | None = None  # of the plan, once somebody has asked
    why: str = ""  # it was chosen, when it was made
    since: int = 0  # runs that its forecast has learned from after that

    @property
    def will_do(self) -> bool:
        if self.times < LEARNING or not self.meets_goals:
            return False
        patience = min(self.times - LEARNING + 1, SETTLED)
        return SHARE * self.ran < self.spent * patience

    def teaches(self, now: float) -> bool:
        """Whether to measure one more run: for one that takes a millisecond, that is dear."""
        if self.times >= LEARNING and now - self.taught < LESSON_SECONDS:
            return False
        self.taught = now
        return True

    @property
    def needs_no_numbers(self) -> bool:
        """Whether numbers have shown that the plan is good enough which goes by structure alone."""
        return self.plan.planner == Structural.name and len(self.plan.annotations) == 1

    def for_another(self, dag: Dag, resources: Resources) -> Plan:
        """The same forecast for another graph of its kind."""
        mine, other = self.plan, Structural().plan(dag, resources)
        return replace(other, prediction=mine.prediction, annotations=mine.annotations)

    def limits_for_another(self, plan: Plan) -> dict[int, Limit]:
        """Nobody knows which of its bundles is which: each may run as long as the longest."""
        if not self.limits:
            return {}
        return dict.fromkeys(range(len(plan.slots)), max(self.limits.values()))

    @property
    def meets_goals(self) -> bool:
        """Still, after what has come of it."""
        forecast = self.plan.prediction
        return forecast is None or not self.goals.missed(forecast)

    def came(self, seconds: float, gb_seconds: float) -> list[Followed]:
        """A run by this plan took so long; what is to be recorded of that."""
        forecast, way = self.plan.prediction, self.plan.way
        if forecast is None or (self.guessed and self.times == 1):
            return []  # what came beside guesses would put right forecasts that go by numbers
        times = Outcome(forecast.modelled_seconds, seconds)
        paid = Outcome(forecast.modelled_gb_seconds, gb_seconds)
        self.ran += seconds
        self.times_told.append(times)
        self.paid_told.append(paid)
        if len(self.times_told) >= NEWS * self.model.outcomes.runs(way):
            self.learn(way, forecast)
        return [Followed(self.graph, way, *times, *paid)]

    def learn(self, way: str, forecast: Prediction) -> None:
        outcomes = self.model.outcomes.after(way, self.times_told, self.paid_told)
        self.since += len(self.times_told)
        self.times_told, self.paid_told = [], []
        self.model = replace(self.model, outcomes=outcomes)
        prediction = self.model.forecast(way, forecast)
        self.plan = replace(self.plan, prediction=prediction, annotations=self.dated())

    def dated(self) -> tuple[object, ...]:
        """The forecasts by which it was chosen are as old as the plan; its own is not."""
        note, notes = self.plan.chosen, self.plan.annotations
        if note is None:
            return notes
        self.why = self.why or note.why
        runs = "the last run" if self.since == 1 else f"the last {self.since} runs"
        new = replace(note, why=f"{self.why}, as known before {runs}")
        return tuple([new if one is note else one for one in notes])


class PlansMade:
    """The last ones, by whatever decides a plan; any thread may use it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.plans: OrderedDict[Hashable, Remembered] = OrderedDict()

    def find(self, key: Hashable) -> Remembered | None:
        with self.lock:
            found = self.plans.get(key)
            if found is not None:
                self.plans.move_to_end(key)
            return found

    def keep(self, keys: Keys, made: Remembered) -> None:
        with self.lock:
            before = self.plans.get(keys.alike)
            made.times += before.times if before is not None else 0
            for key in keys:
                self.plans[key] = made
                self.plans.move_to_end(key)
            while len(self.plans) > MOST_PLANS:
                self.plans.popitem(last=False)
