"""Which container works on what: decided here, without I/O, clock or threads."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from dask_serverless.backends.waiting import Waiting
from dask_serverless.worker.invitation import Invitation


class State(Enum):
    STARTING = "starting"
    RESTING = "resting"
    WORKING = "working"


@dataclass
class Cell:
    """A container, as the pool sees it."""

    name: str
    state: State = State.STARTING
    since: float = 0.0  # when it came to that
    run: str = ""
    process: str = ""  # the name of its worker process, as the store knows it
    rests: int = 0  # how often it has come to rest


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


@dataclass
class Pool:
    name: str
    most: int  # containers
    born: int = 0
    cells: dict[str, Cell] = field(default_factory=dict)
    waiting: Waiting = field(init=False)

    def __post_init__(self) -> None:
        self.waiting = Waiting(self.most)

    def place(self, now: float) -> list[Start | Call]:
        """Hand waiting invitations to those who rest, and ask for more containers for the others."""
        orders: list[Start | Call] = []
        resting = [cell for cell in self.cells.values() if cell.state is State.RESTING]
        while self.waiting and resting:
            invitation = self.waiting.next()
            cell = preferred(resting, invitation.container)
            resting.remove(cell)
            cell.state, cell.since, cell.run = State.WORKING, now, invitation.run
            orders.append(Call(cell, invitation, cell.rests))
        starting = sum(cell.state is State.STARTING for cell in self.cells.values())
        wanted = min(len(self.waiting) - starting, self.most - len(self.cells))
        return [*orders, *(Start(self.bear(now)) for _ in range(wanted))]

    def bear(self, now: float) -> Cell:
        self.born += 1
        cell = Cell(f"{self.name}-{self.born}", since=now)
        self.cells[cell.name] = cell
        return cell

    def rested(self, cell: Cell, now: float) -> None:
        cell.rests += 1
        cell.state, cell.since, cell.run = State.RESTING, now, ""

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


def preferred(resting: list[Cell], container: str) -> Cell:
    """The one that is meant, if it rests: invitations name its worker process."""
    meant = [cell for cell in resting if container and cell.process == container]
    return meant[0] if meant else resting[0]
