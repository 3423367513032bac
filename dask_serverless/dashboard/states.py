"""The states of a task as people see them: one name, one colour, one meaning everywhere."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class State(IntEnum):
    WAITING = 0
    READY = 1
    RUNNING = 2
    DONE = 3
    KEPT = 4
    RELEASED = 5
    RETRIED = 6
    FAILED = 7


class Look(NamedTuple):
    name: str
    colour: str
    meaning: str


# Okabe and Ito's colours, told apart by people with any colour vision; what is under way or went
# wrong is strong, what is past or still to come is pale.
LOOKS: dict[State, Look] = {
    State.WAITING: Look("waiting", "#d5d9e0", "for outputs of other bundles"),
    State.READY: Look("ready", "#f0c94a", "its bundle waits for a container"),
    State.RUNNING: Look("running", "#009e73", "its bundle is on a container"),
    State.DONE: Look("done", "#0072b2", "its output is there for others"),
    State.KEPT: Look("kept local", "#56b4e9", "its output is in its container's memory"),
    State.RELEASED: Look("released", "#a9c4da", "done, and nobody needs its output any more"),
    State.RETRIED: Look(
        "retried", "#cc79a7", "it raised, or its container was lost: it runs once more"
    ),
    State.FAILED: Look(
        "failed", "#d5331f", "it raised, or was lost with one container after the other"
    ),
}
NAMES = [look.name for look in LOOKS.values()]
COLOURS = [look.colour for look in LOOKS.values()]
# Of many in one place the first of these is shown: what asks for attention comes first.
BY_URGENCY = (
    State.FAILED, State.RETRIED, State.RUNNING, State.READY,
    State.KEPT, State.DONE, State.WAITING, State.RELEASED,
)  # fmt: skip
