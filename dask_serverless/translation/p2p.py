"""Shuffles and rechunks of distributed's p2p become tasks.

An open ``Client`` makes Dask choose p2p wherever a graph is built, and p2p runs on distributed's
workers only: its transfers hand their data to the worker, a barrier waits for them, and what unpacks
takes its share from the worker again. The barrier's spec says what goes where.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from types import CellType, FunctionType
from typing import Any

import numpy as np
from dask._task_spec import Alias, DataNode, List, Task, TaskRef

from dask_serverless.blobs.pickling import identity
from dask_serverless.errors import UnsupportedTask
from dask_serverless.translation.substitute import SUBGRAPH, join_frames
from dask_serverless.worker.names import qualified_name

WAY_OUT = (
    "The graph shuffles by distributed's p2p in a way that only its own workers can run. Build the "
    'collection inside "with Serverless():", or with dask.config.set({"dataframe.shuffle.method": '
    '"tasks", "array.rechunk.method": "tasks"}).'
)


def p2p_shuffles(graph: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """The graph without them; where distributed is not imported, there can be none."""
    if "distributed.shuffle._core" not in sys.modules:
        return graph
    barriers = [key for key in graph if type(key) is str and key.startswith("shuffle-barrier-")]
    if not barriers:
        return graph
    changed = dict(graph)
    try:
        _Replacement(changed, barriers).replace()
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # another p2p than we know
        raise UnsupportedTask(WAY_OUT, barriers[0]) from error
    return changed


class _Replacement:
    """Works on a graph in place."""

    def __init__(self, graph: dict[Any, Any], barriers: Sequence[str]) -> None:
        self.graph = graph
        self.specs = {key: graph[key].spec for key in barriers}
        self.inputs = {key: self.transfers(graph[key]) for key in barriers}
        self.chunks: dict[str, dict[tuple[int, ...], Any]] = {}  # of arrays: by index

    def transfers(self, barrier: Task) -> list[Any]:
        """The keys of the tasks that a barrier waits for, past the names that fusing left."""
        keys = [key for arg in barrier.args for key in getattr(arg, "dependencies", ())]
        keys = keys or [arg.key for arg in barrier.args if isinstance(arg, TaskRef)]
        for place, key in enumerate(keys):
            while isinstance(self.graph[key], Alias):
                key = self.graph[key].target
            keys[place] = key
        return keys

    def replace(self) -> None:
        for key, spec in self.specs.items():
            wanted = set(spec.output_partitions)
            chunks = self.chunks[key] = {}
            for transfer in self.inputs[key]:
                task = self.unfused(transfer)
                if hasattr(spec, "column"):
                    self.graph[transfer] = _split(transfer, task, spec.column, wanted)
                else:
                    source, _, index = (self.plain(arg) for arg in task.args)
                    self.graph[transfer] = Task(transfer, identity, source)
                    chunks[index] = transfer
        for key in self.users():
            self.graph[key] = self.gathered(key, self.graph[key])
        for key in self.specs:
            del self.graph[key]

    def users(self) -> list[Any]:
        """The tasks that unpack, taken out of what they were fused into."""
        found, todo = [], list(self.graph)
        while todo:
            key = todo.pop()
            node = self.graph[key]
            if key in self.specs or not isinstance(node, Task):
                continue
            if self.specs.keys().isdisjoint(node.dependencies):
                continue
            if qualified_name(node.func) == SUBGRAPH:
                todo += self.unfuse(key)
            else:
                found.append(key)
        return found

    def unfused(self, key: Any) -> Task:
        while qualified_name(self.graph[key].func) == SUBGRAPH:
            self.unfuse(key)
        node: Task = self.graph[key]
        return node

    def unfuse(self, key: Any) -> list[Any]:
        """Make the parts of a fused task tasks of their own; their keys."""
        inner, outkey, inkeys, *given = self.graph[key].args
        inner, outkey, inkeys = map(self.plain, (inner, outkey, inkeys))
        names: dict[Any, Any] = {name: ("unfused", key, name) for name in (*inner, *inkeys)}
        names[outkey] = key
        for name, value in zip(inkeys, given, strict=True):
            if isinstance(value, (TaskRef, Alias)):
                names[name] = value.key if isinstance(value, TaskRef) else value.target
            else:
                self.graph[names[name]] = DataNode(names[name], self.plain(value))
        for name, part in inner.items():
            self.graph[names[name]] = part.substitute(names, key=names[name])
        return [names[name] for name in inner]

    def plain(self, value: Any) -> Any:
        return value.value if isinstance(value, DataNode) else value

    def gathered(self, key: Any, task: Task) -> Task:
        args = [self.plain(arg) for arg in task.args]
        match task.func.__name__:
            case "shuffle_unpack":
                return self.frame(key, self.barriers(args)[0], args[1])
            case "rechunk_unpack":
                return self.chunk(key, self.barriers(args)[0], args[1])
            case "merge_unpack":
                sides = [self.frame(None, barrier, args[2]) for barrier in self.barriers(args)]
                return Task(key, merge, *sides, *args[5:], **task.kwargs)
        raise UnsupportedTask(WAY_OUT, key)

    def barriers(self, args: Iterable[Any]) -> list[Any]:
        refs = [arg for arg in args if isinstance(arg, (TaskRef, Alias))]
        return [ref.key if isinstance(ref, TaskRef) else ref.target for ref in refs]

    def frame(self, key: Any, barrier: str, partition: int) -> Task:
        spec = self.specs[barrier]
        pieces = []
        for index, transfer in enumerate(self.inputs[barrier]):
            name = ("piece", barrier, index, partition)
            self.graph[name] = Task(name, _piece, TaskRef(transfer), partition)
            pieces.append(TaskRef(name))
        meta = spec.meta.drop(columns=spec.column) if spec.drop_column else spec.meta
        return Task(key, join_frames, meta, List(*pieces))

    def chunk(self, key: Any, barrier: str, chunk: tuple[int, ...]) -> Task:
        spec, inputs = self.specs[barrier], self.chunks[barrier]
        axes = [
            _overlaps(old, new, at) for old, new, at in zip(spec.old, spec.new, chunk, strict=True)
        ]
        pieces = []
        for parts in product(*axes):
            index, slices = tuple(part for part, _ in parts), tuple(cut for _, cut in parts)
            name = ("piece", key, index)
            self.graph[name] = Task(name, _cut, TaskRef(inputs[index]), slices)
            pieces.append(TaskRef(name))
        return Task(key, join_chunks, tuple(map(len, axes)), List(*pieces))


def _split(key: Any, task: Task, column: str, wanted: set[int]) -> Task:
    if task.func.__name__ == "_shuffle_transfer":
        return Task(key, split_frame, task.args[0], column, wanted)
    rows = Task(None, _handing_back(task.func), *task.args, **task.kwargs)
    return Task(key, split_frame, rows, column, wanted)


def _handing_back(func: Callable[..., Any]) -> Callable[..., Any]:
    """A merge's transfer finds out each row's partition and then calls distributed's: instead of
    that, it returns the rows.
    """
    if func.__code__.co_freevars != ("merge_transfer",):
        raise ValueError(f"{func} is no transfer of a merge")
    closure = (CellType(_rows),)
    return FunctionType(func.__code__, func.__globals__, func.__name__, None, closure)


def _rows(frame: Any, *_: Any) -> Any:
    return frame


def split_frame(frame: Any, column: str, wanted: Iterable[int]) -> dict[int, Any]:
    wanted = set(wanted)
    parts = defaultdict(list)
    for place, partition in enumerate(frame[column].to_numpy()):
        if partition in wanted:
            parts[int(partition)].append(place)
    rest = frame.drop(columns=column)
    return {partition: rest.iloc[places] for partition, places in parts.items()}


def _piece(parts: Mapping[int, Any], partition: int) -> Any:
    return parts.get(partition)


def merge(left: Any, right: Any, *args: Any, **kwargs: Any) -> Any:
    from dask.dataframe.multi import merge_chunk

    names = (
        "how", "left_on", "right_on", "result_meta", "suffixes",
        "left_index", "right_index", "indicator",
    )  # fmt: skip
    return merge_chunk(left, right, **dict(zip(names, args, strict=False)), **kwargs)


def _overlaps(old: Sequence[int], new: Sequence[int], at: int) -> list[tuple[int, slice]]:
    """Along one axis: which old chunks make a new one, and which part of each."""
    begin, end = sum(new[:at]), sum(new[: at + 1])
    if begin == end:
        return [(0, slice(0, 0))]
    found, start = [], 0
    for index, length in enumerate(old):
        low, high = max(begin, start), min(end, start + length)
        if low < high:
            found.append((index, slice(low - start, high - start)))
        start += length
    return found


def _cut(chunk: Any, slices: tuple[slice, ...]) -> Any:
    """A copy: the rest of the chunk need not stay alive, nor travel."""
    part = chunk[slices]
    return part if part.shape == chunk.shape else part.copy()


def join_chunks(shape: tuple[int, ...], pieces: Sequence[Any]) -> Any:
    from dask.array.core import concatenate3

    grid = np.empty(len(pieces), dtype=object)
    grid[:] = pieces
    return concatenate3(grid.reshape(shape).tolist())
