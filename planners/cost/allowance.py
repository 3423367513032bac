"""Allowance: how long planning may take, and whether one more try fits in."""

from __future__ import annotations

from collections.abc import Callable

LEAST_SECONDS = 0.002
SHARE = 0.05  # of the makespan: what a better plan may cost to find
MOST_SECONDS = 20.0  # the same without a clock: nobody waits for a run, but for an answer

Clock = Callable[[], float]


class Allowance:
    """Time by a clock that tests can hold still; estimates are compared with how they came true.

    The constants of ``Effort`` are those of one machine. What was done so far says how much slower
    or faster this one is just now. Without a clock nobody asks: everything took what was estimated,
    and the same is tried on any machine, however busy.
    """

    def __init__(self, clock: Clock | None, seconds: float | None) -> None:
        self.clock, self.seconds = clock, seconds
        self.began = clock() if clock is not None else 0.0
        self.estimated = 0.0  # seconds, of all that was done

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return self.clock() - self.began if self.clock is not None else self.estimated

    def did(self, estimate: float) -> None:
        self.estimated += estimate

    def left(self, makespan_seconds: float) -> float:
        """What still may be done, as an estimate; the better the plan at hand, the less."""
        allowed = self.seconds
        if allowed is None:
            most = MOST_SECONDS if self.clock is None else float("inf")
            allowed = min(max(LEAST_SECONDS, SHARE * makespan_seconds), most)
        spent = self.spent
        if spent <= 0 or self.estimated <= 0:
            return float("inf") if allowed > 0 else 0.0
        return max(allowed - spent, 0.0) * self.estimated / spent


class Effort:
    """About how many seconds each kind of work takes; right within a factor of two."""

    @staticmethod
    def workload(functions: int, tasks: int) -> float:
        return 200e-6 + 20e-6 * functions + 0.2e-6 * tasks

    @staticmethod
    def structural(tasks: int) -> float:
        return 200e-6 + 10e-6 * tasks

    @staticmethod
    def timeline(tasks: int, bundles: int) -> float:
        return 250e-6 + 2e-6 * tasks + 10e-6 * bundles

    @staticmethod
    def uniform(units: int) -> float:
        return 200e-6 + 20e-6 * units

    @staticmethod
    def earliest_finish(units: int, slots: int) -> float:
        return 300e-6 + 30e-6 * units + 0.7e-6 * units * slots

    @staticmethod
    def optimize(tasks: int, bundles: int) -> float:
        """Some timelines: each optimization with all of its notes, or with some, or other bundles."""
        return 16 * Effort.timeline(tasks, bundles)

    @staticmethod
    def reduction(tasks: int, bundles: int) -> float:
        return 0.05 + 10 * Effort.timeline(tasks, bundles) + 50e-6 * bundles
