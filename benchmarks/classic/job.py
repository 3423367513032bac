"""Job: what a container of the classic protocol knows of a run, and the names of its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dask_serverless.blobs.frames import framed, unframed
from dask_serverless.translation.translate import Translation
from dask_serverless.worker.bundle import Step
from dask_serverless.worker.execute import prepared
from dask_serverless.worker.table import pickle_table, unpickle_table


@dataclass(frozen=True)
class Job:
    """A graph whose tasks can be run one by one."""

    inputs: Sequence[Sequence[int]]  # by task
    users: Sequence[Sequence[int]]
    wanted: frozenset[int]
    programs: Sequence[Sequence[Step]]
    constants: Mapping[int, Any]
    constants_of: Mapping[int, Sequence[int]]
    functions: Sequence[Callable[..., Any]]

    @staticmethod
    def of(translation: Translation) -> Job:
        dag, steps, first = translation.dag, translation.steps, translation.first_steps
        first = list(range(dag.tasks + 1)) if first is None else first
        inputs = rows(dag.input_offsets.tolist(), dag.inputs.tolist())
        return Job(
            inputs=inputs,
            users=users_by_task(inputs),
            wanted=frozenset(dag.wanted.nonzero()[0].tolist()),
            programs=[steps[first[task] : first[task + 1]] for task in range(dag.tasks)],
            constants=translation.constants,
            constants_of=translation.constants_of,
            functions=translation.functions,
        )

    @property
    def roots(self) -> list[int]:
        return [task for task, inputs in enumerate(self.inputs) if not inputs]

    def pack(self) -> bytes:
        told = {**vars(self), "functions": pickle_table(self.functions)}
        return b"".join(framed(told))

    @staticmethod
    def unpack(data: bytes) -> Job:
        told = unframed(bytearray(data))
        functions = [prepared(function) for function in unpickle_table(told["functions"])]
        return Job(**{**told, "functions": functions})


@dataclass(frozen=True)
class Keys:
    """Of one run."""

    run: str

    @property
    def job(self) -> str:
        return f"classic:{self.run}:job"

    @property
    def done(self) -> str:
        """A list: the wanted tasks that are done, or the error that ends the run."""
        return f"classic:{self.run}:done"

    def output(self, task: int) -> str:
        return f"classic:{self.run}:output:{task}"

    def count(self, task: int) -> str:
        """How many inputs of a task are there."""
        return f"classic:{self.run}:count:{task}"


def rows(offsets: list[int], values: list[int]) -> list[list[int]]:
    return [values[first:last] for first, last in zip(offsets, offsets[1:], strict=False)]


def users_by_task(inputs: list[list[int]]) -> list[list[int]]:
    users: list[list[int]] = [[] for _ in inputs]
    for task, producers in enumerate(inputs):
        for producer in producers:
            users[producer].append(task)
    return users
