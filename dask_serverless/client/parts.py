"""Parts: bundles that are parts of others, since these were divided while they ran."""

from __future__ import annotations

from dask_serverless.coordination.splitting import Split
from planners.graph.arrays import Ids
from planners.plans.bundles import Bundles


class Parts:
    """All bundles of a run, those of the plan first."""

    def __init__(self, bundles: Bundles) -> None:
        self.bundles = bundles
        self.count = bundles.count
        self.wholes: dict[int, int] = {}  # part → the bundle that it was a part of; may be one, too

    def divided(self, split: Split) -> None:
        """Told once or again."""
        last = split.first + split.parts
        self.wholes.update(dict.fromkeys(range(split.first, last), split.bundle))
        self.count = max(self.count, last)

    def tasks_of(self, bundle: int) -> Ids:
        """Of a part, those of the whole bundle of the plan."""
        while bundle >= self.bundles.count:
            bundle = self.wholes[bundle]
        return self.bundles.tasks_of(bundle)
