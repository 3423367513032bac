"""Dask's callbacks (ProgressBar, Profiler, CacheProfiler, own ones), fed from a distributed run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dask.callbacks import local_callbacks, unpack_callbacks

from dask_serverless.worker.told import Times

if TYPE_CHECKING:
    from dask_serverless.translation.translate import Translation


class Observers:
    """The callbacks active for one call; told of tasks when the bundle that ran them is done."""

    def __init__(self, callbacks: Sequence[tuple[Any, ...]]) -> None:
        self.callbacks = list(callbacks)
        self.started: list[tuple[Any, ...]] = []
        _, _, self.before, self.after, _ = unpack_callbacks(self.callbacks)
        self.values = any(not _is_profiler(posttask) for posttask in self.after)
        self.times = bool(self.before or self.after)
        self.graph: Mapping[Any, Any] = {}
        self.state: dict[str, Any] = {}
        self.told: set[int] = set()  # tasks; those of a lost attempt run once more

    def start(self, translation: Translation) -> None:
        if not self.callbacks:
            return
        self.graph = translation.graph
        self.labels = translation.dag.labels
        self.inputs = translation.dag
        for callback in self.callbacks:
            if callback[0]:
                callback[0](self.graph)
            self.started.append(callback)
        keys = dict.fromkeys(self.labels)
        self.state = {
            "waiting": keys, "ready": [], "running": set(), "finished": set(),
            "released": set(), "cache": {}, "dependencies": {}, "dependents": {},
            "waiting_data": {},
        }  # fmt: skip
        self.users = dict(
            enumerate(
                (translation.dag.user_offsets[1:] - translation.dag.user_offsets[:-1]).tolist()
            )
        )
        for _, start_state, *_ in self.callbacks:
            if start_state:
                start_state(self.graph, self.state)

    def tasks(
        self, times: Times, container: str, fetch: Callable[[Sequence[int]], Sequence[Any]]
    ) -> None:
        """Tasks have run; ``fetch`` gets their values, if a callback looks at them."""
        times = [each for each in times if each[0] not in self.told]
        self.told.update(task for task, *_ in times)
        values = fetch([task for task, *_ in times]) if self.values else [None] * len(times)
        for (task, start, end), value in zip(times, values, strict=True):
            self.task(task, start, end, container, value)

    def task(self, task: int, start: float, end: float, container: str, value: Any) -> None:
        key, graph, state = self.labels[task], self.graph, self.state
        state["waiting"].pop(key, None)
        state["running"].add(key)
        for pretask in self.before:
            pretask(key, graph, state)
            if _is_profiler(pretask):
                pretask.__self__._results[key] = (key, graph.get(key), start)
        state["running"].discard(key)
        state["finished"].add(key)
        for name in self.inputs.inputs[
            self.inputs.input_offsets[task] : self.inputs.input_offsets[task + 1]
        ].tolist():
            self.users[name] -= 1
            if not self.users[name]:
                state["released"].add(self.labels[name])
        for posttask in self.after:
            posttask(key, value, graph, state, container)
            if _is_profiler(posttask):
                posttask.__self__._results[key] = (key, graph.get(key), start, end, container)

    def finish(self, failed: bool) -> None:
        started, self.started = self.started, []
        for *_, finish in started:
            if finish:
                finish(self.graph, self.state, failed)


def active(callbacks: Any) -> Any:
    """A context in which the callbacks of Dask's own kind, global and passed, are known."""
    return local_callbacks(callbacks)


def _is_profiler(method: Any) -> bool:
    """Whether this is a method of Dask's Profiler, which takes times and looks at no value."""
    with suppress(ImportError):
        from dask.diagnostics.profile import Profiler

        return isinstance(getattr(method, "__self__", None), Profiler)
    return False
