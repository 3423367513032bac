"""Plans that were made for the same graph before: to make them anew may take what they save."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from dask_serverless.history.observations import Followed
from dask_serverless.worker.bundle import Limit
from planners.cost.model import CostModel
from planners.cost.pace import NO_PACE, Pace
from planners.graph.dag import Dag
from planners.numbers.outcomes import LAST, Outcome
from planners.plans.goals import Goals
from planners.plans.plan import Plan, Resources
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
    told: list[Followed] = field(default_factory=list)  # not in the forecast yet
    heard: int = 0  # of the runs of its graph, by whatever plan
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
        followed = Followed(self.graph, way, *times, *paid)
        self.hear(followed)
        return [followed]

    def hear(self, followed: Followed) -> None:
        """What came of a run of its graph, by this plan or by one that was made for other goals."""
        self.ran += followed.seconds
        self.told.append(followed)
        if len(self.told) >= NEWS * self.model.outcomes.runs(followed.way):
            self.learn()

    def learn(self) -> None:
        forecast, outcomes = self.plan.prediction, self.model.outcomes
        for way in dict.fromkeys([one.way for one in self.told]):
            runs = [one for one in self.told if one.way == way]
            times = [Outcome(one.modelled_seconds, one.seconds) for one in runs]
            paid = [Outcome(one.modelled_gb_seconds, one.gb_seconds) for one in runs]
            outcomes = outcomes.after(way, times, paid)
        self.since += len(self.told)
        self.told = []
        self.model = replace(self.model, outcomes=outcomes)
        if forecast is not None:
            prediction = self.model.forecast(self.plan.way, forecast)
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


class Runs:
    """The last ones of a graph, and by which plan each was."""

    def __init__(self) -> None:
        self.count = 0
        self.last: deque[tuple[weakref.ref[Remembered], Followed]] = deque(maxlen=LAST)

    def add(self, made: Remembered, followed: Followed) -> None:
        self.count += 1
        self.last.append((weakref.ref(made), followed))

    def tell(self, made: Remembered) -> None:
        """Those of other plans that it has not heard of: a view with another ``sla`` has its own."""
        new = min(self.count - made.heard, len(self.last))
        made.heard = self.count
        for by, followed in list(self.last)[len(self.last) - new :]:
            if by() is not made:
                made.hear(followed)


class PlansMade:
    """The last ones, by whatever decides a plan; any thread may use it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.plans: OrderedDict[Hashable, Remembered] = OrderedDict()
        self.runs: OrderedDict[str, Runs] = OrderedDict()  # by the signature of their graph

    def find(self, key: Hashable) -> Remembered | None:
        with self.lock:
            found = self.plans.get(key)
            if found is not None:
                self.plans.move_to_end(key)
                if found.graph in self.runs:
                    self.runs[found.graph].tell(found)
            return found

    def keep(self, keys: Keys, made: Remembered) -> None:
        with self.lock:
            before = self.plans.get(keys.alike)
            made.times += before.times if before is not None else 0
            if made.graph in self.runs:  # which were known when it was made
                made.heard = self.runs[made.graph].count
            for key in keys:
                self.plans[key] = made
                self.plans.move_to_end(key)
            while len(self.plans) > MOST_PLANS:
                self.plans.popitem(last=False)

    def follow(self, made: Remembered, followed: Sequence[Followed]) -> None:
        """What came of a run by one of them, for the others of its graph."""
        with self.lock:
            for one in followed:
                runs = self.runs.setdefault(one.graph, Runs())
                self.runs.move_to_end(one.graph)
                runs.add(made, one)
            while len(self.runs) > MOST_PLANS:
                self.runs.popitem(last=False)
