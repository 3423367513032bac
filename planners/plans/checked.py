"""Checked: a planner whose plans are looked at before anybody runs them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from planners.errors import PlanError
from planners.graph.arrays import Ids
from planners.graph.dag import Dag
from planners.plans.plan import Plan, Planner, Resources
from planners.plans.validation import check


@dataclass(frozen=True)
class CheckedPlanner:
    """Whatever goes wrong in a planner becomes a PlanError that says whose fault it is.

    But annotations that cannot be carried out are only left out: the plan is one without them.
    """

    planner: Planner
    name: str
    validates: bool = True  # plans of the built-in planners are validated by their tests

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        try:
            plan = self.planner.plan(dag, resources)
            return self._checked(plan, dag, resources) if self.validates else plan
        except PlanError as error:
            raise error.blaming(self.name) from error
        except Exception as error:
            what = f"it raised {type(error).__name__}: {error}"
            raise PlanError(what).blaming(self.name) from error

    def _checked(self, plan: object, dag: Dag, resources: Resources) -> Plan:
        if not isinstance(plan, Plan):
            raise PlanError(f"it returned {type(plan).__name__}, not a Plan")
        plan = _with_arrays(plan)
        check(dag, plan.bundles, plan.slots, plan.memory_mb)
        if not plan.annotations:  # a fresh process has its first plan without the rest
            return plan
        from planners.plans.left_out import without_impossible

        return without_impossible(plan, dag, resources)


def _with_arrays(plan: Plan) -> Plan:
    """Lists and wider integers are fine from a user's planner; all others expect int32."""
    bundles, slots = _as_ids("bundles", plan.bundles), _as_ids("slots", plan.slots)
    memory = _as_ids("memory_mb", plan.memory_mb)
    if bundles is plan.bundles and slots is plan.slots and memory is plan.memory_mb:
        return plan
    return replace(plan, bundles=bundles, slots=slots, memory_mb=memory)


def _as_ids(name: str, values: npt.ArrayLike) -> Ids:
    array: npt.NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "iu" and array.size:
        return array
    ids = array.astype(np.int32, copy=False)
    if (lost := ids != array).any():  # what does not fit comes out as some other number
        most = np.iinfo(np.int32).max
        raise PlanError(f"{name} has {array[lost][0]}: no number may be above {most}")
    return ids
