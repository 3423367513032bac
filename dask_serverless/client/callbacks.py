"""Dask's callbacks (ProgressBar, Profiler, Cache, own ones), fed from a distributed run."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from timeit import default_timer
from typing import TYPE_CHECKING, Any

from dask._task_spec import DataNode, GraphNode
from dask.callbacks import Callback, unpack_callbacks

from dask_serverless.client import forks
from dask_serverless.worker.told import Times

if TYPE_CHECKING:
    from dask_serverless.client.state import State
    from dask_serverless.translation.recipes import Recipe
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
        self.state: State | None = None
        self.told: set[int] = set()  # tasks; those of a lost attempt run once more

    def start(self, graph: Mapping[Any, Any]) -> Mapping[Any, Any]:
        """The graph to compute: a callback may have put values in the place of tasks, as Dask's
        opportunistic cache does. The caller's own graph stays as it is.
        """
        if not self.callbacks:
            return graph
        self.graph = shown = dict(graph)
        for callback in self.callbacks:
            if callback[0]:
                callback[0](shown)
            self.started.append(callback)
        for key, value in shown.items():
            if value is not graph.get(key) and not isinstance(value, GraphNode):
                shown[key] = DataNode(key, value)
        return shown

    def start_state(self, translation: Translation) -> None:
        if not self.callbacks:
            return
        with forks.importing:
            from dask_serverless.client.state import State

        self.state = State(self.graph, translation)
        for _, start_state, *_ in self.callbacks:
            if start_state:
                start_state(self.graph, self.state.shown)

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
        assert self.state is not None
        key = self.state.labels[task]
        self.state.begun(key)
        if not self.state.concerns(key):
            self.state.done(task, value)
            return
        self.pretask(key, start, end)
        self.state.done(task, value)
        self.posttask(key, value, start, end, container)
        for alias in self.state.aliases(key):
            self.by_itself(alias, end, container, value)

    def gathered(self, recipes: Mapping[Any, Recipe], made: Mapping[int, Any]) -> None:
        """What the client has put together of the outputs of others."""
        if self.state is None or not self.times:
            return
        now = time.time()
        for key, recipe in recipes.items():
            if id(recipe) in made and self.state.concerns(key):
                self.by_itself(key, now, "client", made[id(recipe)])

    def by_itself(self, key: Any, at: float, where: str, value: Any) -> None:
        """For Dask's own schedulers it is a task, too, though it runs nothing of the user's."""
        assert self.state is not None
        self.state.begun(key)
        self.pretask(key, at, at)
        self.state.ended(key)
        self.posttask(key, value, at, at, where)

    def pretask(self, key: Any, start: float, end: float) -> None:
        assert self.state is not None
        for pretask in self.before:
            pretask(key, self.graph, self.state.shown)
            if _is_profiler(pretask):
                pretask.__self__._results[key] = (key, self.graph.get(key), start)
            elif _is_cache(pretask):  # it looks at the clock by itself, and keeps what took long
                pretask.__self__.starttimes[key] = default_timer() - (end - start)

    def posttask(self, key: Any, value: Any, start: float, end: float, where: str) -> None:
        assert self.state is not None
        for posttask in self.after:
            posttask(key, value, self.graph, self.state.shown, where)
            if _is_profiler(posttask):
                posttask.__self__._results[key] = (key, self.graph.get(key), start, end, where)

    def finish(self, failed: bool) -> None:
        started, self.started = self.started, []
        state = self.state.shown if self.state is not None else {}
        for *_, finish in started:
            if finish:
                finish(self.graph, state, failed)


class _Thread(threading.local):
    computing = False


_thread = _Thread()


@contextmanager
def active(callbacks: Any) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The callbacks that were passed, else those that are registered. What is computed meanwhile
    in the same thread (by a callback, say) is not their business.

    Dask's way, to empty the global set for the time of a compute, loses callbacks when threads
    compute at once: the last one to end restores what another one had emptied.
    """
    outer = _thread.computing
    if callbacks is None:
        callbacks = () if outer else tuple(Callback.active)
    _thread.computing = True
    try:
        yield callbacks
    finally:
        _thread.computing = outer


def _is_profiler(method: Any) -> bool:
    """Whether this is a method of Dask's Profiler, which takes times and looks at no value."""
    return _is_of(method, "dask.diagnostics.profile", "Profiler")


def _is_cache(method: Any) -> bool:
    return _is_of(method, "dask.cache", "Cache")


def _is_of(method: Any, module: str, name: str) -> bool:
    """Whether it is a method of that class; where its module is not imported, none can be."""
    if module not in sys.modules:
        return False
    return isinstance(getattr(method, "__self__", None), getattr(sys.modules[module], name))
