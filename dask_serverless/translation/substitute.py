"""What Dask's graphs hold that is wrong between processes: replaced where possible, else refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dask._task_spec import GraphNode, List, Task, TaskRef, convert_legacy_task

from dask_serverless.errors import UnsupportedTask
from dask_serverless.worker.names import qualified_name

SUBGRAPH = ("dask._task_spec", "_execute_subgraph")
DISK = "disk"


def special_functions() -> dict[tuple[str, str], str]:
    """(module, name) of the functions whose tasks the translation must look at."""
    return {
        SUBGRAPH: "subgraph",
        ("dask.dataframe.shuffle", "barrier"): DISK,
        ("dask.dataframe.shuffle", "collect"): DISK,
        ("dask.dataframe.dask_expr._shuffle", "DiskShuffle._shuffle_group"): DISK,
        ("dask.bag.core", "partition"): DISK,
        ("dask.bag.core", "collect"): DISK,
    }


def refuse(kind: str, key: Any, arguments: Sequence[Any]) -> None:
    """Raise if a task of this kind cannot give its result from another process.

    ``arguments`` are the positional ones, None for those that other tasks make.
    """
    if kind == DISK and any(_is_partd(a) for a in arguments):
        raise UnsupportedTask(
            "Dask's 'disk' shuffle keeps its data in one process. Set "
            'dask.config.set({"dataframe.shuffle.method": "tasks"}) '
            'or pass shuffle_method="tasks".',
            key,
        )


def _is_partd(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "partd" or (
        type(value).__name__ == "maybe_buffered_partd"
    )


def disk_shuffles(graph: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Replace shuffles through partd files by tasks.

    Partd's files are appended to: a task that runs again after a lost container would add its rows
    twice, and another host would not see them at all.
    """
    stores = [key for key in graph if type(key) is tuple and len(key) == 1 and _names_partd(*key)]
    if not stores:
        return graph
    changed = dict(graph)
    for store in stores:
        _by_tasks(changed, store)
    return changed


def _names_partd(name: Any) -> bool:
    return type(name) is str and name.startswith(("zpartd-", "partd-"))


def _by_tasks(graph: dict[Any, Any], store: Any) -> None:
    _unfuse(graph, store)
    splits: list[Any] = []
    collects: list[tuple[Any, Task]] = []
    for key, value in graph.items():
        node = value if isinstance(value, GraphNode) else _legacy(key, value, store, graph)
        if not isinstance(node, Task) or store not in node.dependencies:
            continue
        if node.func.__name__ == "collect":
            collects.append((key, node))
        else:
            graph[key] = _split(key, node)
            splits.append(key)
    for key, node in collects:
        partition = node.args[1]
        pieces = []
        for index, split in enumerate(splits):
            name = ("piece", store[0], index, partition)
            graph[name] = Task(name, _piece, TaskRef(split), partition)
            pieces.append(TaskRef(name))
        graph[key] = _join(key, node, pieces, store)
    del graph[store]


def _unfuse(graph: dict[Any, Any], store: Any) -> None:
    """Take fused tasks that use the store apart: a chain of one partition is fused as a whole."""
    for key, node in list(graph.items()):
        fused = isinstance(node, Task) and qualified_name(node.func) == SUBGRAPH
        if fused and store in node.dependencies:
            inner, outkey, *_ = node.args
            graph.update({k: part for k, part in inner.items() if k != outkey})
            graph[key] = inner[outkey]


def _legacy(key: Any, value: Any, store: Any, graph: Mapping[Any, Any]) -> Any:
    if type(value) is tuple and store in [v for v in value if type(v) is tuple]:
        return convert_legacy_task(key, value, graph)
    return value


def _refers(value: Any, key: Any) -> bool:
    return getattr(value, "key", None) == key or getattr(value, "target", None) == key


def _split(key: Any, node: Task) -> Task:
    if node.func.__name__ == "_shuffle_group":
        frame, column, partitions, _ = node.args
        return Task(key, split_frame, frame, column, partitions)
    grouper, sequence, npartitions, *_ = node.args
    return Task(key, split_sequence, grouper, sequence, npartitions)


def _join(key: Any, node: Task, pieces: Iterable[Any], store: Any) -> Task:
    if _refers(node.args[0], store):  # dataframes: (partd, partition, meta, barrier)
        return Task(key, join_frames, node.args[2], List(*pieces))
    return Task(key, join_groups, node.args[0], List(*pieces))  # bags: (grouper, partition, …)


def split_frame(frame: Any, column: str, partitions: Iterable[int]) -> dict[int, Any]:
    groups = frame.groupby(column)
    wanted = set(partitions)
    return {i: groups.get_group(i) for i in groups.groups if i in wanted}


def split_sequence(
    grouper: Callable[[Any], Any], sequence: Iterable[Any], npartitions: int
) -> dict[int, list[Any]]:
    from dask.base import tokenize
    from toolz import groupby

    parts: dict[int, list[Any]] = defaultdict(list)
    for key, values in groupby(grouper, sequence).items():
        parts[abs(int(tokenize(key), 16)) % npartitions].extend(values)
    return dict(parts)


def _piece(parts: Mapping[int, Any], partition: int) -> Any:
    return parts.get(partition)


def join_frames(meta: Any, pieces: Iterable[Any]) -> Any:
    from dask.dataframe.core import _concat

    frames = [piece for piece in pieces if piece is not None]
    return _concat(frames) if frames else meta


def join_groups(grouper: Callable[[Any], Any], pieces: Iterable[Any]) -> list[tuple[Any, Any]]:
    from toolz import concat, groupby

    return list(groupby(grouper, concat(p for p in pieces if p is not None)).items())
