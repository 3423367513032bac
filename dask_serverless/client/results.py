"""The outputs that a client takes from its run: where they are, and their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dask_serverless.blobs.blobs import Blobs
from dask_serverless.client.failed import Failed
from dask_serverless.coordination.base import Coordination
from dask_serverless.errors import BlobLost, StoreError
from dask_serverless.worker.blame import of_result
from dask_serverless.worker.failure import explained
from planners.graph.dag import Dag


class Results:
    """Outputs are asked for where no event has told them."""

    def __init__(self, coordination: Coordination, blobs: Blobs, dag: Dag) -> None:
        self.coordination = coordination
        self.blobs = blobs
        self.dag = dag
        self.references: dict[int, bytes | None] = {}  # by task

    def told(self, references: Mapping[int, bytes | None]) -> None:
        self.references.update(references)

    def locate(self, tasks: Sequence[int]) -> None:
        missing = [task for task in tasks if not self.references.get(task)]
        self.references.update(zip(missing, self.coordination.outputs(missing), strict=True))

    def values(self, tasks: Sequence[int]) -> list[Any]:
        """What these tasks gave, fetched together."""
        self.locate(tasks)
        references = {task: r for task in tasks if (r := self.references[task])}
        if len(references) < len(tasks):
            lost = next(task for task in tasks if task not in references)
            raise BlobLost("in the store", key=self.dag.labels[lost])
        try:
            return self.blobs.get(list(references.values()))
        except StoreError:
            raise
        except Exception as error:
            blamed = of_result(self.blobs, references)
            raise Failed(explained(error, blamed, self.dag)) from error

    def delete(self, task: int) -> None:
        """Nobody needs it any more."""
        if reference := self.references.get(task):
            self.blobs.delete([reference])
