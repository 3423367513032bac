"""Columns: what becomes the Dag, task by task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from dask_serverless.worker.bundle import Step
from dask_serverless.worker.names import function_name
from planners.graph.dag import Dag


class Columns:
    """A task is complete with its offset: where the next one's inputs begin."""

    def __init__(self) -> None:
        self.labels: list[Any] = []
        self.functions: list[int] = []  # of each task's last step
        self.inputs: list[int] = []
        self.offsets: list[int] = [0]
        self.constants_of: dict[int, Sequence[int]] = {}  # task → their names, if it has any

    def add(self, label: Any, function: int, inputs: Iterable[int]) -> None:
        self.inputs += inputs
        self.offsets.append(len(self.inputs))
        self.functions.append(function)
        self.labels.append(label)

    def dag(self, functions: Sequence[Callable[..., Any]], wanted: Iterable[int]) -> Dag:
        mask = np.zeros(len(self.labels), dtype=np.bool_)
        mask[list(wanted)] = True
        return Dag(
            input_offsets=np.array(self.offsets, dtype=np.int64),
            inputs=np.array(self.inputs, dtype=np.int32),
            functions=np.array(self.functions, dtype=np.int32),
            constant_bytes=np.zeros(len(self.labels), dtype=np.int64),
            wanted=mask,
            function_names=tuple(map(function_name, functions)),
            labels=self.labels,
        )

    def first_steps(self, steps: Sequence[Step]) -> list[int] | None:
        """Where each task's steps begin, and where the last one's end; None: each has just one."""
        if len(steps) == len(self.labels):
            return None
        ends = [place for place, step in enumerate(steps, 1) if step[0] >= 0]
        return [0, *ends]
