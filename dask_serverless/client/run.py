"""One run on the client's side, from Dask's graph to the values of its keys."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np

from dask_serverless.client.callbacks import Observers
from dask_serverless.client.distribution import Distribution
from dask_serverless.client.failed import in_words
from dask_serverless.client.home import AtHome
from dask_serverless.client.pause import CollectorPaused
from dask_serverless.client.report import RunReport
from dask_serverless.client.surroundings import Surroundings
from dask_serverless.translation.home import divided
from dask_serverless.translation.recipes import nested
from dask_serverless.translation.translate import Translation, materialise, translate


class Run:
    """Made for one call, used once."""

    def __init__(self, around: Surroundings, observers: Observers) -> None:
        self.around = around
        self.observers = observers
        self.report = RunReport(f"{around.link.address.tenant}{secrets.token_hex(8)}")
        self.pause = CollectorPaused()  # from the graph to its submission

    def compute(self, graph: Any, keys: Any) -> Any:
        try:
            with self.pause:
                result = self.computed(graph, keys)
        except BaseException as error:
            self.pause.end()  # again, in case that it was cut short
            self.report.error = in_words(error)
            self.around.watch.over(self.report, error)
            self.observers.finish(failed=True)
            raise
        self.around.watch.over(self.report, None)
        self.observers.finish(failed=False)
        return result

    def computed(self, graph: Any, keys: Any) -> Any:
        report = self.report
        with report.phase("materialise"):
            graph = self.observers.start(materialise(graph))
        with report.phase("translate"):
            translation, home = divided(translate(graph, keys))
            if self.around.retries is not None:
                translation.retries = self.around.retries.of(translation)
        self.observers.start_state(translation)
        if home is None:
            values = self.distributed(translation, None)
        else:
            self.pause.end()  # before tasks run
            at_home = AtHome(home)
            at_home.begin()
            values = self.distributed(translation, at_home)
            values.update(at_home.values)
        with report.phase("collect"):
            made: dict[int, Any] = {}
            result = nested(translation.keys, translation.recipes, values, made)
        self.observers.gathered(translation.recipes, made)
        return result

    def distributed(self, translation: Translation, home: AtHome | None) -> dict[int, Any]:
        """What the client wants of the tasks that run on containers, by task."""
        dag = translation.dag
        if not dag.tasks:
            return {}
        wanted = np.flatnonzero(dag.wanted).tolist()
        if home is not None:
            wanted = [task for task in wanted if task in home.asked]
        if self.observers.values:
            dag.wanted[:] = True  # callbacks are shown every task's value
        return Distribution(
            self.around, translation, wanted, home, self.observers, self.report, self.pause
        ).values()
