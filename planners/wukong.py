"""wukong: every chain its own flexible bundle, one memory size; needs no history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from planners.graph.chains import chain_of_tasks
from planners.graph.dag import Dag
from planners.plans.plan import FLEXIBLE, Plan, Resources


@dataclass(frozen=True)
class Wukong:
    """No slots: a container goes on with one user of what it finished and invokes the others."""

    name: ClassVar[str] = "wukong"

    def plan(self, dag: Dag, resources: Resources) -> Plan:
        chains = chain_of_tasks(dag)
        bundles = int(chains.max()) + 1 if dag.tasks else 0
        return Plan(
            planner=self.name,
            bundles=chains,
            slots=np.full(bundles, FLEXIBLE, dtype=np.int32),
            memory_mb=np.full(bundles, resources.memory_mb, dtype=np.int32),
        )
