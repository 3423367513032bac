"""Dag: a run's structure as flat arrays; all that a planner may know about the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]


class DagError(ValueError):
    """The edge list is not a DAG; the message names a task that shows why."""


@dataclass(frozen=True, eq=False)
class Dag:
    """Tasks 0 … n-1 in topological order, with their inputs and users as CSR arrays.

    ``inputs[input_offsets[t]:input_offsets[t + 1]]`` are the tasks whose outputs task ``t`` takes
    (each once, all smaller than ``t``); ``users`` is the same relation turned round.
    """

    input_offsets: Offsets
    inputs: Ids
    functions: Ids  # function id of each task, an index into function_names
    constant_bytes: npt.NDArray[np.int64]  # what each task carries that is not another task's output
    wanted: npt.NDArray[np.bool_]  # whether the client asked for this output
    function_names: tuple[str, ...] = ()
    labels: Sequence[object] = field(default=(), repr=False)  # task → name, for messages only

    @property
    def tasks(self) -> int:
        return len(self.input_offsets) - 1

    @property
    def edges(self) -> int:
        return len(self.inputs)

    def label(self, task: int) -> str:
        """How messages name a task."""
        return str(self.labels[task]) if len(self.labels) else f"task {task}"

    @cached_property
    def edge_users(self) -> Ids:
        """The user of each edge, aligned with ``inputs``."""
        counts = np.diff(self.input_offsets)
        return np.repeat(np.arange(self.tasks, dtype=np.int32), counts)

    @cached_property
    def user_offsets(self) -> Offsets:
        counts = np.bincount(self.inputs, minlength=self.tasks)
        return np.concatenate(([0], np.cumsum(counts))).astype(np.int64)

    @cached_property
    def users(self) -> Ids:
        return self.edge_users[np.argsort(self.inputs, kind="stable")]
