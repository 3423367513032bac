"""Which inputs and outputs a slot's container will take again."""

from __future__ import annotations

import numpy as np

from dask_serverless.translation.lasting import lasting_of
from planners.graph.dag import Dag
from planners.plans.bundles import bundles_of
from planners.plans.plan import FLEXIBLE, Plan


def dag_of(tasks: int, *edges: tuple[int, int]) -> Dag:
    return Dag.from_edges(tasks, [one for one, _ in edges], [other for _, other in edges])


def plan_of(*slots: int) -> Plan:
    count = len(slots)
    return Plan("by hand", np.arange(count), np.array(slots), np.zeros(count, dtype=np.int32))


FAN_OUT = dag_of(5, (0, 1), (0, 2), (0, 3), (0, 4), (1, 4))


def lasting(plan: Plan, dag: Dag = FAN_OUT) -> dict[int, tuple[int, ...]]:
    return lasting_of(plan, bundles_of(dag, plan))


def test_an_input_lasts_up_to_its_last_taker_in_the_slot():
    assert lasting(plan_of(0, 1, 1, 0, 1)) == {0: (0,), 1: (0, 1), 2: (0,)}


def test_takers_in_other_slots_are_nothing_to_it():
    assert lasting(plan_of(0, 1, 2, 3, 4)) == {}


def test_who_comes_to_a_bundle_without_a_slot_is_not_known():
    assert lasting(plan_of(*[FLEXIBLE] * 5)) == {}
    assert lasting(plan_of(FLEXIBLE, FLEXIBLE, 1, FLEXIBLE, 1)) == {2: (0,)}
