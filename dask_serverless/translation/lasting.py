"""Lasting: what each bundle has in hand that a later one of its slot takes again."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from planners.plans.bundles import Bundles
from planners.plans.plan import FLEXIBLE, Plan


def lasting_of(plan: Plan, bundles: Bundles) -> dict[int, tuple[int, ...]]:
    """Tasks by bundle: all that the slot's container makes or takes, up to the last who takes it."""
    slots, tasks = plan.slots, bundles.edge_tasks
    takers, makers = bundles.edge_consumers, bundles.edge_producers
    if len(slots) < 2 or (slots == FLEXIBLE).all():
        return {}
    mine = slots[takers] != FLEXIBLE
    own = mine & (slots[makers] == slots[takers])
    has = np.concatenate((takers[mine], makers[own]))  # bundles, with what they have in hand
    what = np.concatenate((tasks[mine], tasks[own]))
    keys = slots[has].astype(np.int64) * (int(what.max(initial=0)) + 1) + what
    _, of = np.unique(keys, return_inverse=True)
    last = np.zeros(int(of.max(initial=-1)) + 1, dtype=np.int64)
    np.maximum.at(last, of, has)
    again = has < last[of]
    pairs = sorted({*zip(has[again].tolist(), what[again].tolist(), strict=True)})
    return {
        bundle: tuple([task for _, task in group])
        for bundle, group in groupby(pairs, key=lambda pair: pair[0])
    }
