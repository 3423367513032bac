"""Outcomes: what came of earlier plans of a graph, by which the next forecast is put right.

A cost model leaves things out: cores that share memory bandwidth, a store that others use, what
the loop around the tasks takes. None of that has to be modelled to be known: runs of the same graph
by the same planner took what they took, and that beside what the model said is what the next
forecast goes by. How far they were apart from one another is what percentiles go by: those of single
tasks do not add up to that of a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from math import exp, log, sqrt
from statistics import NormalDist, stdev
from typing import NamedTuple

from planners.numbers.predictions import Sla, check_sla

FEW = 3  # runs in one way that say little against it: one of them may have met a busy neighbour
LAST = 40  # outcomes of one planner that count: what is older says little of today
FADING = 0.8  # an outcome beside the one after it: first runs import and fill caches, days differ
ENOUGH = 9  # from which on a percentile is read off them; fewer have no ninth of ten
SPREAD = 0.1  # of the logarithm: how far runs are apart before anything is known of that
DOUBT = 2.0  # as many outcomes as that guess is worth
RANGE = 2.0  # beyond so many times what the model said before, forecasts grow with what it says
ALIKE = 1.05  # what the model said of earlier runs differs by no more: it is the same number


class Outcome(NamedTuple):
    """What the cost model had said of one run, and what was measured."""

    modelled: float
    came: float


@dataclass(frozen=True)
class Track:
    """The outcomes of one planner on one graph, oldest first."""

    outcomes: Sequence[Outcome] = ()

    def __len__(self) -> int:
        return len(self.recent)

    def after(self, outcomes: Sequence[Outcome]) -> Track:
        return Track([*self.recent, *outcomes][-LAST:])

    def forecast(self, modelled: float, sla: Sla = "average") -> float:
        """What a run will take of which the model says ``modelled``; that, while nothing is known."""
        if not self.recent or modelled <= 0:
            return modelled
        return self._line(modelled) * self._factor(check_sla(sla))

    @cached_property
    def recent(self) -> list[Outcome]:
        usable = [one for one in self.outcomes if one.modelled > 0 and one.came > 0]
        return usable[-LAST:]

    @cached_property
    def _bounds(self) -> tuple[float, float]:
        said = [one.modelled for one in self.recent]
        return min(said), max(said)

    @cached_property
    def _slope(self) -> tuple[float, float]:
        """Base and slope of a line that never falls; flat where the model always said the same."""
        low, high = self._bounds
        rows, middle = self.recent, newest([one.came for one in self.recent])
        if high <= low * ALIKE or len(rows) < ENOUGH:
            return middle, 0.0
        mean = sum(one.modelled for one in rows) / len(rows)
        came = sum(one.came for one in rows) / len(rows)
        spread = sum((one.modelled - mean) ** 2 for one in rows)
        slope = sum((one.modelled - mean) * (one.came - came) for one in rows) / spread
        slope = min(max(slope, 0.0), came / mean)
        return came - slope * mean, slope

    def _line(self, modelled: float) -> float:
        """A model that says less than before has mostly become better: its first numbers are those
        of imports. One that says much more has more to do.
        """
        near = min(modelled, self._bounds[1] * RANGE)
        base, slope = self._slope
        return (base + slope * near) * modelled / near

    @cached_property
    def _ratios(self) -> list[float]:
        return [one.came / self._line(one.modelled) for one in self.recent]

    def _factor(self, quantile: float | None) -> float:
        """The middle, which one run beside a busy neighbour does not move; or a percentile."""
        if quantile is None:
            return newest(self._ratios)
        ratios = sorted(self._ratios)
        if len(ratios) < ENOUGH:
            return self._guessed(quantile)
        place = min(max(quantile * (len(ratios) + 1) - 1, 0.0), len(ratios) - 1.0)
        below = int(place)
        above = min(below + 1, len(ratios) - 1)
        return ratios[below] + (place - below) * (ratios[above] - ratios[below])

    @property
    def doubt(self) -> float:
        """By what share the middle may be off by chance: one standard error."""
        if len(self) < FEW:
            return 0.0
        return stdev([log(ratio) for ratio in self._ratios]) / sqrt(len(self))

    def _guessed(self, quantile: float) -> float:
        """Of few outcomes: lognormal, wider the fewer there are (nearly Student's).

        But not below the fastest of them, as where there are many: what a run takes has a bound that
        no luck goes below, and a lognormal has none.
        """
        logs = [log(ratio) for ratio in self._ratios]
        count = len(logs)
        mean = sum(logs) / count
        squares = sum((each - mean) ** 2 for each in logs) + DOUBT * SPREAD**2
        freedom = count - 1 + DOUBT
        normal = NormalDist().inv_cdf(min(max(quantile, 0.005), 0.995))
        wider = normal * (1 + (normal * normal + 1) / (4 * freedom))
        guess = exp(mean + wider * sqrt(squares / freedom * (1 + 1 / count)))
        return max(guess, min(self._ratios))


def newest(values: Sequence[float]) -> float:
    """The middle, in which the last ones count for more; of two it is the later one."""
    weighed = sorted([(value, FADING**age) for age, value in enumerate(reversed(values))])
    so_far = list(accumulate(weight for _, weight in weighed))
    places = zip(weighed, so_far, strict=True)
    return next(value for (value, _), weight in places if weight >= so_far[-1] / 2)


@dataclass(frozen=True)
class Outcomes:
    """All tracks of one graph, by the way in which the plan was made."""

    seconds: Mapping[str, Track] = field(default_factory=dict)
    gb_seconds: Mapping[str, Track] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(len(track) for track in self.seconds.values())

    def after(
        self, way: str, seconds: Sequence[Outcome], gb_seconds: Sequence[Outcome]
    ) -> Outcomes:
        """After some more runs."""
        return Outcomes(
            {**self.seconds, way: self.seconds.get(way, Track()).after(seconds)},
            {**self.gb_seconds, way: self.gb_seconds.get(way, Track()).after(gb_seconds)},
        )

    def runs(self, way: str) -> int:
        """How many a forecast rests on."""
        return len(self.seconds.get(way, ()))

    def makespan(self, way: str, modelled: float, sla: Sla) -> float:
        return forecast(self.seconds, way, modelled, sla)

    def hoped(self, way: str, modelled: float, sla: Sla) -> float:
        """The makespan for the choice among ways: one that was gone hardly ever gets another chance."""
        known = self.makespan(way, modelled, sla)
        if self.tried(way):
            return known
        others = {other: track for other, track in self.seconds.items() if other != way}
        return min(known, forecast(others, way, modelled, sla))

    def tried(self, way: str) -> bool:
        """Whether runs say more of it than a model does."""
        return self.runs(way) >= FEW

    def doubt(self, way: str) -> float:
        """By what share the forecast may be off by chance; 0 while too few runs tell."""
        return self.seconds.get(way, Track()).doubt

    def paid(self, way: str, modelled: float, sla: Sla) -> float:
        return forecast(self.gb_seconds, way, modelled, sla)


def forecast(tracks: Mapping[str, Track], way: str, modelled: float, sla: Sla) -> float:
    """By its own track, or by how the others' came true where no plan was made in that way yet.

    That they were faster than modelled promises nothing: the model had bad numbers then.
    """
    if len(own := tracks.get(way, Track())):
        return own.forecast(modelled, sla)
    others = [one for track in tracks.values() for one in track.recent]
    relative = [Outcome(1.0, max(one.came / one.modelled, 1.0)) for one in others]
    return modelled * Track(relative).forecast(1.0, sla) if relative else modelled
