"""A plan as the containers of several sizes have it: slots say which size each bundle needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dask_serverless.coordination.sizes import SLOTS
from planners.plans.plan import FLEXIBLE, Plan


def sized(plan: Plan, sizes_mb: Sequence[int]) -> Plan:
    """Each bundle on the smallest size that has its memory, or else on the largest."""
    if not sizes_mb:
        return plan
    size = np.minimum(np.searchsorted(sizes_mb, plan.memory_mb), len(sizes_mb) - 1)
    flexible = plan.slots == FLEXIBLE
    return replace(plan, slots=np.where(flexible, FLEXIBLE - size, plan.slots + size * SLOTS))
