"""Dag: a run's structure as flat arrays; all that a planner may know about the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from planners.errors import DagError
from planners.graph.arrays import Bytes, Flags, Ids, Offsets, offsets_from_counts, unique_pairs
from planners.graph.order import CycleError, depth_first_order, renumber

__all__ = ["Dag", "DagError", "Ids", "Offsets"]

IntegerArray = npt.NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Dag:
    """Tasks 0 … n-1 in topological order, with their inputs and users as CSR arrays.

    ``inputs[input_offsets[t]:input_offsets[t + 1]]`` are the tasks whose outputs task ``t`` takes
    (each once, all smaller than ``t``); ``users`` is the same relation turned round. Whoever has
    arrays in this form calls the constructor, which checks nothing; ``from_edges`` does the rest.
    """

    input_offsets: Offsets
    inputs: Ids
    functions: Ids  # function id of each task, an index into function_names
    constant_bytes: Bytes  # what each task carries that is not another task's output
    wanted: Flags  # whether the client asked for this output
    function_names: tuple[str, ...] = ()
    labels: Sequence[object] = field(default=(), repr=False)  # task → name, for messages only
    given_ids: Ids | None = field(default=None, repr=False)  # None: ids were kept as given
    repeatable: Flags | None = field(default=None, repr=False)  # by task: whether running it again
    # gives the same, so that copies of it may run elsewhere; None: all

    @classmethod
    def from_edges(
        cls,
        tasks: int,
        producers: npt.ArrayLike,
        consumers: npt.ArrayLike,
        *,
        functions: npt.ArrayLike | None = None,
        function_names: Sequence[str] = (),
        constant_bytes: npt.ArrayLike | None = None,
        wanted: npt.ArrayLike | None = None,
        labels: Sequence[object] = (),
    ) -> Dag:
        """A Dag from an edge list, in linear time; a repeated edge counts once.

        Everything is indexed by the ids as given. Where each producer comes before its consumer,
        the ids are kept; otherwise tasks get new ids in a depth-first topological order, and
        ``original`` tells the given ones. Planners look for what belongs together among
        neighbours: kept ids do best in a depth-first order too. ``wanted`` is a flag for each task
        or a list of ids; without it, the wanted tasks are those that nobody uses.
        """
        if len(labels):
            _check_length(len(labels), tasks, "labels")
        sources, targets = _edge_arrays(tasks, producers, consumers, labels)
        edge_users, inputs = unique_pairs(targets, sources, tasks)
        offsets = offsets_from_counts(np.bincount(edge_users, minlength=tasks))
        order: Ids | None = None
        if bool((inputs >= edge_users).any()):
            order = _topological_order(offsets, inputs, labels)
            offsets, inputs = renumber(offsets, inputs, order)
            labels = [labels[task] for task in order.tolist()] if len(labels) else ()
        return cls(
            input_offsets=offsets,
            inputs=inputs,
            functions=_column(functions, tasks, order).astype(np.int32),
            constant_bytes=_column(constant_bytes, tasks, order),
            wanted=_wanted(wanted, tasks, order, inputs),
            function_names=tuple(function_names),
            labels=labels,
            given_ids=order,
        )

    @property
    def tasks(self) -> int:
        return len(self.input_offsets) - 1

    @property
    def edges(self) -> int:
        return len(self.inputs)

    def without_labels(self) -> Dag:
        """For whoever goes by numbers, and long after the run: labels are many, and hold keys."""
        return Dag(
            self.input_offsets, self.inputs, self.functions, self.constant_bytes, self.wanted,
            self.function_names, (), self.given_ids, self.repeatable,
        )  # fmt: skip

    def label(self, task: int) -> str:
        """How messages name a task."""
        return _label(self.labels, task)

    @cached_property
    def original(self) -> Ids:
        """Task id → the id it was given to ``from_edges``."""
        if self.given_ids is None:
            return np.arange(self.tasks, dtype=np.int32)
        return self.given_ids

    @cached_property
    def input_counts(self) -> Offsets:
        return self.input_offsets[1:] - self.input_offsets[:-1]

    @cached_property
    def user_counts(self) -> Offsets:
        return np.bincount(self.inputs, minlength=self.tasks)

    @cached_property
    def edge_users(self) -> Ids:
        """The user of each edge, aligned with ``inputs``."""
        return np.repeat(np.arange(self.tasks, dtype=np.int32), self.input_counts)


def _label(labels: Sequence[object], task: int) -> str:
    return str(labels[task]) if 0 <= task < len(labels) else f"task {task}"


def _edge_arrays(
    tasks: int, producers: npt.ArrayLike, consumers: npt.ArrayLike, labels: Sequence[object]
) -> tuple[IntegerArray, IntegerArray]:
    sources, targets = _integers(producers), _integers(consumers)
    if sources.shape != targets.shape:
        raise DagError(f"{len(sources)} producers but {len(targets)} consumers: give one per edge")
    for ids, others, role in ((sources, targets, "takes an input from"), (targets, sources, "has")):
        if not len(ids) or (int(ids.min()) >= 0 and int(ids.max()) < tasks):
            continue
        edge = int(np.flatnonzero((ids < 0) | (ids >= tasks))[0])
        named, dangling = _label(labels, int(others[edge])), int(ids[edge])
        what = f"{role} task {dangling}" if ids is sources else f"has the user {dangling}"
        raise DagError(f"{named} {what}, but there are only {tasks} tasks: ids are 0 to n - 1")
    return sources, targets


def _integers(values: npt.ArrayLike) -> IntegerArray:
    array = np.asarray(values)
    return array if np.issubdtype(array.dtype, np.integer) else array.astype(np.int64)


def _topological_order(offsets: Offsets, inputs: Ids, labels: Sequence[object]) -> Ids:
    unused = np.bincount(inputs, minlength=len(offsets) - 1) == 0
    try:
        return depth_first_order(offsets, inputs, np.flatnonzero(unused).astype(np.int32))
    except CycleError as error:
        name = _label(labels, error.task)
        raise DagError(f"{name} needs its own output: it is on a cycle of the graph") from None


def _column(values: npt.ArrayLike | None, tasks: int, order: Ids | None) -> Bytes:
    """One value a task, in the Dag's order; zeros when none were given."""
    if values is None:
        return np.zeros(tasks, dtype=np.int64)
    column = np.asarray(values, dtype=np.int64)
    _check_length(column.size, tasks, "values")
    return column if order is None else column[order]


def _check_length(found: int, tasks: int, what: str) -> None:
    if found != tasks:
        raise DagError(f"{found} {what} for {tasks} tasks: give one per task")


def _wanted(wanted: npt.ArrayLike | None, tasks: int, order: Ids | None, inputs: Ids) -> Flags:
    if wanted is None:
        return np.less(np.bincount(inputs, minlength=tasks), 1)
    given = np.asarray(wanted)
    flags: Flags = np.zeros(tasks, dtype=np.bool_)
    if given.dtype == np.bool_:
        _check_length(given.size, tasks, "flags")
        flags[:] = given
    else:
        ids = given.astype(np.int64)
        if len(ids) and (ids.min() < 0 or ids.max() >= tasks):
            raise DagError(f"a wanted id is not among the {tasks} tasks: ids are 0 to n - 1")
        flags[ids] = True
    return flags if order is None else flags[order]
