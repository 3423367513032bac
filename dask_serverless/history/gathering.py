"""From what the containers of one run tell to its observations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dask_serverless.coordination.sizes import size_with
from dask_serverless.history.identity import chain_identity, identity
from dask_serverless.history.observations import (
    DOWNLOAD,
    UPLOAD,
    Calls,
    Followed,
    Observations,
    Overhead,
    Packing,
    Sample,
    Start,
    Transfer,
    Use,
)
from dask_serverless.worker.told import Finished, Kind, Measured, Packed
from planners.graph.arrays import Ids

PLACES = {"r": "redis", "f": "shared", "u": "url", "z": "compressed", "m": "memory"}  # by tag


NO_KINDS: Mapping[int, Kind] = MappingProxyType({})


def unknown(task: int) -> Kind:
    return ()


def place_called(tag: str | bytes) -> str:
    """A kind of place, as the history has it."""
    tag = tag.decode() if isinstance(tag, bytes) else tag
    return PLACES.get(tag, tag)


class Gathering:
    """Collects events while a run is under way, at no cost; what they mean is worked out later."""

    def __init__(self, sizes_mb: Sequence[int] = (), ahead: int = 0) -> None:
        self.sizes_mb = sizes_mb  # of the run's containers, if there are several
        self.ahead = ahead  # containers that the plan has asked for before they were needed
        self.told: list[Finished] = []

    def bundle(self, finished: Finished) -> None:
        self.told.append(finished)

    def of(
        self,
        functions: Sequence[Callable[..., Any]],
        tasks: Sequence[int] | Ids = (),
        followed: Sequence[Followed] = (),
        uses: Sequence[Use] = (),
        kind_of: Callable[[int], Kind] = unknown,
    ) -> Callable[[], Observations]:
        """The observations, for ``History.record``; holds the functions' names and not them.

        ``tasks`` are counted by bundle, ``followed`` is what came of the plan, if it said what,
        ``uses`` what containers took, and ``kind_of`` the steps of a task.
        """
        names = [identity(function) for function in functions]
        kinds = {one.task: kind_of(one.task) for one in self.packed()}
        return lambda: self.observations(names, tasks, followed, uses, kinds)

    def packed(self) -> Iterator[Packed]:
        """What pickling took, wherever that mattered."""
        for finished in self.told:
            if finished.measured is not None:
                yield from finished.measured.packed

    def observations(
        self,
        names: Sequence[str],
        tasks: Sequence[int] | Ids = (),
        followed: Sequence[Followed] = (),
        uses: Sequence[Use] = (),
        kinds: Mapping[int, Kind] = NO_KINDS,
    ) -> Observations:
        gathered, memory = Gathered(names), self.memory()
        for finished in self.told:
            if finished.measured is not None:
                memory_mb = memory.get(finished.container, 0.0)
                gathered.add(finished.cold, finished.measured, memory_mb)
                if finished.bundle < len(tasks):
                    gathered.overhead(finished, finished.measured, int(tasks[finished.bundle]))
        return Observations(
            {name: Calls(*total) for name, total in gathered.functions.items()},
            gathered.transfers,
            waited_for(gathered.starts, self.ahead),
            gathered.publishes,
            gathered.overheads,
            followed,
            uses,
            tuple(
                Packing(gathered.name(kind), UPLOAD if up else DOWNLOAD, nbytes, seconds)
                for task, up, nbytes, seconds in self.packed()
                if (kind := kinds[task])
            ),
        )

    def memory(self) -> dict[str, float]:
        """Of each container, where there are several sizes; elsewhere all have the default."""
        sizes = self.sizes_mb
        return {
            each.container: float(sizes[size_with(each.used.memory_mb, sizes)])
            for each in self.told
            if sizes and each.used is not None
        }


class Gathered:
    """The sums over a run's events."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.known: dict[Kind, str] = {}
        self.functions: dict[str, tuple[int, float, list[Sample]]] = {}
        self.transfers: list[Transfer] = []
        self.starts: list[Start] = []
        self.publishes: list[float] = []
        self.overheads: list[Overhead] = []

    def add(self, cold: bool, measured: Measured, memory_mb: float) -> None:
        for kind, taken in measured.kinds:
            calls, seconds, samples = self.functions.get(name := self.name(kind), (0, 0.0, []))
            samples += [Sample(memory_mb, *row) for row in taken.samples]
            self.functions[name] = (calls + taken.calls, seconds + taken.seconds, samples)
        for tag, up, nbytes, seconds in measured.moved:
            direction = UPLOAD if up else DOWNLOAD
            self.transfers.append(Transfer(place_called(tag), direction, nbytes, seconds))
        if measured.waited >= 0:
            self.starts.append(Start(cold, measured.waited, memory_mb))
        if measured.round_trip >= 0:
            self.publishes.append(measured.round_trip)

    def overhead(self, finished: Finished, measured: Measured, tasks: int) -> None:
        """Of a bundle whose tasks were all measured; else their time is not known."""
        if sum(taken.calls for _, taken in measured.kinds) != tasks:
            return
        inside = sum(taken.seconds for _, taken in measured.kinds)
        moved = sum(each.seconds for each in measured.moved)
        whole = finished.fetching + finished.running + finished.storing
        rest = whole - inside - moved - measured.packing
        self.overheads.append(Overhead(tasks, max(rest, 0.0)))

    def name(self, kind: Kind) -> str:
        found = self.known.get(kind)
        if found is None:
            found = self.known[kind] = chain_identity([self.names[each] for each in kind])
        return found


def waited_for(starts: Sequence[Start], ahead: int) -> list[Start]:
    """Without the new containers that came soonest: nobody saw how long those that were asked for
    ahead took to start, and it would seem as if starts took no time, and needed no asking ahead.
    """
    cold = [place for place, start in enumerate(starts) if start.cold]
    soonest = set(sorted(cold, key=starts.__getitem__)[:ahead])
    return [start for place, start in enumerate(starts) if place not in soonest]
