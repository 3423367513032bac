"""Goals: what a plan has to hold to, and which of two plans serves better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

from planners.errors import GoalError, GoalInvalid
from planners.numbers.predictions import Sla, check_sla
from planners.plans.plan import Prediction


@dataclass(frozen=True)
class Goals:
    """The fastest; with ``deadline`` the cheapest in time, with ``budget`` the fastest for it.

    With both, the cheapest that meets both. ``sla`` is the share of runs that times are meant for:
    "average", or a percentile from 1 to 100.
    """

    sla: Sla = "average"
    deadline: float | None = None  # seconds
    budget: float | None = None  # money, by the platform's prices

    def __post_init__(self) -> None:
        check_sla(self.sla)
        for goal, value in (("deadline", self.deadline), ("budget", self.budget)):
            number = isinstance(value, Real) and not isinstance(value, bool)
            if value is not None and not (number and value > 0):
                raise GoalInvalid(goal, value)

    @property
    def any(self) -> bool:
        return self.deadline is not None or self.budget is not None

    def order(self, prediction: Prediction) -> tuple[float, float]:
        """Less is better; times are rounded so that sums in another order do not count."""
        keys = round(prediction.makespan_seconds, 9), prediction.cost
        return keys[::-1] if self.deadline is not None else keys

    def missed(self, prediction: Prediction) -> str:
        """How this falls short, or nothing."""
        if self.deadline is not None and prediction.makespan_seconds > self.deadline:
            return f"takes {prediction.makespan_seconds:.3f} s, past the deadline"
        if self.budget is not None and prediction.cost > self.budget:
            return f"costs {prediction.cost:.6f}, over the budget"
        return ""

    def why_not(self, prediction: Prediction, chosen: Prediction) -> str:
        """Why this lost against what was chosen."""
        if missed := self.missed(prediction):
            return missed
        seconds, more = prediction.makespan_seconds, prediction.cost - chosen.cost
        if self.deadline is not None and round(more, 6) > 0:
            return f"costs {prediction.cost:.6f}, {more:.6f} more"
        if self.deadline is not None:
            return f"costs as much and takes {seconds:.3f} s"
        if round(seconds - chosen.makespan_seconds, 9) > 0:
            return f"takes {seconds:.3f} s, {seconds - chosen.makespan_seconds:.3f} s more"
        return f"takes as long and costs {prediction.cost:.6f}"

    def impossible(self, plans: Sequence[tuple[str, Prediction]]) -> GoalError:
        """No plan meets this: what these, each with its planner's name, could do at best."""
        fastest_by, fastest = min(plans, key=lambda plan: plan[1].makespan_seconds)
        cheapest_by, cheapest = min(plans, key=lambda plan: plan[1].cost)
        return GoalError(str(self), fastest, cheapest, fastest_by, cheapest_by)

    def __str__(self) -> str:
        deadline = [f"the deadline of {self.deadline:.6g} s"] if self.deadline is not None else []
        budget = [f"the budget of {self.budget:.6g}"] if self.budget is not None else []
        return " and ".join(deadline + budget)
