"""Which container works on what: decided here, without I/O, clock or threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from dask_serverless.backends.waiting import Waiting
from dask_serverless.coordination.sizes import size_for
from dask_serverless.worker.invitation import Invitation

COMING_SECONDS = 3.0  # from its first call until a container has claimed something


class State(Enum):
    STARTING = "starting"
    RESTING = "resting"
    WORKING = "working"


@dataclass
class Cell:
    """A container, as the pool sees it."""

    name: str
    size: int = 0  # of its memory
    state: State = State.STARTING
    since: float = 0.0  # when it came to that
    run: str = ""
    process: str = ""  # the name of its worker process, as the store knows it
    rests: int = 0  # how often it has come to rest
    called: bool = False  # whether it was told that others wait for its turn


@dataclass(frozen=True)
class Start:
    """A container more is needed."""

    cell: Cell


@dataclass(frozen=True)
class Call:
    """This container is to work."""

    cell: Cell
    invitation: Invitation
    rests: int  # so far: whoever calls learns whether it has rested meanwhile


@dataclass(frozen=True)
class Yield:
    """This container is to leave its run after the bundle under way."""

    cell: Cell


@dataclass(frozen=True)
class End:
    """This container makes room for a larger one."""

    cell: Cell


Order = Start | Call | Yield | End


@dataclass
class Pool:
    name: str
    most: int  # containers
    sizes_mb: Sequence[int] = (0,)  # of memory, the smallest first
    born: int = 0
    cells: dict[str, Cell] = field(default_factory=dict)
    waiting: Waiting = field(init=False)

    def __post_init__(self) -> None:
        self.waiting = Waiting(self.most)

    def place(self, now: float) -> list[Order]:
        """Hand waiting invitations to those who rest, and ask for more containers for the others."""
        calls: list[Order] = []
        kept: list[Invitation] = []
        while self.waiting:
            invitation = self.waiting.next()
            cell = self.chosen(invitation)
            if cell is None:
                kept.append(invitation)
            else:
                cell.state, cell.since, cell.run = State.WORKING, now, invitation.run
                calls.append(Call(cell, invitation, cell.rests))
        for invitation in reversed(kept):
            self.waiting.put_back(invitation)
        return [*calls, *self.more(kept, now), *self.turns()]

    def size_for(self, invitation: Invitation) -> int:
        return size_for(invitation.memory_mb, self.sizes_mb)

    def chosen(self, invitation: Invitation) -> Cell | None:
        """The one that is meant, if it rests: invitations name its worker process; else a small one."""
        size = self.size_for(invitation)
        resting = [cell for cell in self.resting() if cell.size >= size]
        named = invitation.container
        meant = (cell for cell in resting if named and cell.process == named)
        return next(meant, min(resting, key=lambda cell: cell.size, default=None))

    def resting(self) -> list[Cell]:
        return [cell for cell in self.cells.values() if cell.state is State.RESTING]

    def more(self, wanted: list[Invitation], now: float) -> Iterator[Order]:
        """Containers for these; where there is no room, smaller ones without work make it."""
        starting = [c.size for c in self.cells.values() if c.state is State.STARTING]
        for size, run in sorted([(self.size_for(e), e.run) for e in wanted], reverse=True):
            coming = next((each for each in starting if each >= size), None)
            if coming is not None:
                starting.remove(coming)
                continue
            if len(self.cells) >= self.most:
                smaller = next((cell for cell in self.resting() if cell.size < size), None)
                if smaller is None or self.on_its_way(run, size, now):
                    continue
                self.gone(smaller)
                yield End(smaller)
            yield Start(self.bear(now, size))

    def on_its_way(self, run: str, size: int, now: float) -> bool:
        """Whether one has just been called: until it is heard of, the store asks for it again."""
        called = (c for c in self.working_on(run) if c.size >= size)
        return any(now - cell.since < COMING_SECONDS for cell in called)

    def turns(self) -> Iterator[Order]:
        """Runs take turns: whoever works on one is told, once, when another one waits."""
        for cell in self.cells.values():
            if cell.state is State.WORKING and not cell.called and self.waiting.others(cell.run):
                cell.called = True
                yield Yield(cell)

    def bear(self, now: float, size: int = 0) -> Cell:
        self.born += 1
        cell = Cell(f"{self.name}-{self.born}", size, since=now)
        self.cells[cell.name] = cell
        return cell

    def warm(self, invitation: Invitation, count: int, now: float) -> list[Order]:
        """So many that have no work, as far as there is room."""
        size = self.size_for(invitation)
        idle = sum(c.state is not State.WORKING and c.size >= size for c in self.cells.values())
        room = min(count - idle, self.most - len(self.cells))
        return [Start(self.bear(now, size)) for _ in range(room)]

    def rested(self, cell: Cell, now: float) -> None:
        cell.rests += 1
        cell.state, cell.since, cell.run, cell.called = State.RESTING, now, "", False

    def refused(self, call: Call, now: float) -> None:
        """Another container has invited it first."""
        self.waiting.put_back(call.invitation)
        if call.cell.rests > call.rests:
            call.cell.state, call.cell.since, call.cell.run = State.RESTING, now, ""

    def gone(self, cell: Cell) -> None:
        self.cells.pop(cell.name, None)

    def idle_since(self, before: float, spare: int) -> list[Cell]:
        """Those to end: they rest since before then, and so many others stay."""
        resting = [
            cell
            for cell in self.cells.values()
            if cell.state is State.RESTING and cell.since < before
        ]
        return resting[: max(0, len(self.cells) - spare)]

    def working_on(self, run: str) -> list[Cell]:
        return [cell for cell in self.cells.values() if cell.run == run]
