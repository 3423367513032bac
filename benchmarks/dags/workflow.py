"""Workflow: a Dag with what its tasks take, and a builder that adds one task after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from planners.graph.dag import Dag

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEAST = 0.1  # of the mean: measured times vary, but none is next to nothing


class Workflow(NamedTuple):
    dag: Dag
    seconds: Floats
    output_bytes: Integers  # what every user of a task fetches
    memory_mb: Integers


@dataclass(frozen=True)
class Profile:
    """What tasks of one function take, as means; times vary by ``deviation``."""

    seconds: float
    deviation: float
    output_mb: float
    memory_mb: float


class Builder:
    """Collects tasks whose functions have profiles."""

    def __init__(self, profiles: dict[str, Profile], seed: int = 0) -> None:
        self.profiles = profiles
        self.seed = seed
        self.functions: list[str] = []
        self.producers: list[int] = []
        self.users: list[int] = []

    @property
    def tasks(self) -> int:
        return len(self.functions)

    def task(self, function: str, *inputs: int) -> int:
        task = len(self.functions)
        self.functions.append(function)
        self.producers.extend(inputs)
        self.users.extend([task] * len(inputs))
        return task

    def workflow(self) -> Workflow:
        names = tuple(dict.fromkeys(self.functions))
        ids = {name: number for number, name in enumerate(names)}
        functions = np.array([ids[name] for name in self.functions])
        labels = [f"{name}-{task}" for task, name in enumerate(self.functions)]
        dag = Dag.from_edges(
            self.tasks,
            self.producers,
            self.users,
            functions=functions,
            function_names=names,
            labels=labels,
        )
        profiles = [self.profiles[name] for name in names]
        means = np.array([profile.seconds for profile in profiles])[functions]
        spread = np.array([profile.deviation for profile in profiles])[functions]
        random = np.random.default_rng(self.seed)
        return Workflow(
            dag,
            np.maximum(LEAST * means, random.normal(means, spread)),
            np.array([round(each.output_mb * 1e6) for each in profiles])[functions],
            np.array([int(np.ceil(each.memory_mb)) for each in profiles])[functions],
        )
