"""What a container does next: events in, instructions out; no I/O, clock, randomness or threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from dask_serverless.coordination.base import FENCED, OK, Answer, Assignment, Whom
from dask_serverless.errors import IllegalTransition


class State(Enum):
    IDLE = "idle"
    CLAIMING = "claiming"
    FETCHING = "fetching"
    RUNNING = "running"
    PUBLISHING = "publishing"
    FAILING = "failing"


# Events


@dataclass(frozen=True)
class Invited:
    """Somebody asks this container to work on a run, perhaps for the sake of a slot."""

    slot: int | None = None


@dataclass(frozen=True)
class Answered:
    """The store answered the call under way."""

    answer: Answer


@dataclass(frozen=True)
class Fetched:
    """The bundle's inputs are here."""


@dataclass(frozen=True)
class Ran:
    """The bundle's tasks have run."""

    others_wait: bool = False  # another run needs this container: it has had its turn here


@dataclass(frozen=True)
class Raised:
    """A task, an input or an output raised; the shell has packed the error."""

    error: bytes


@dataclass(frozen=True)
class Interrupted:
    """The run is over or the claim is lost, and user code under way was stopped."""


@dataclass(frozen=True)
class Unanswered:
    """The store did not answer, or with an error; why is for people."""

    why: str


Event = Invited | Answered | Fetched | Ran | Raised | Interrupted | Unanswered

# Instructions


@dataclass(frozen=True)
class Claim:
    claim: str
    slot: int | None
    invited: bool


@dataclass(frozen=True)
class Fetch:
    assignment: Assignment
    claim: str


@dataclass(frozen=True)
class Execute:
    pass


@dataclass(frozen=True)
class Publish:
    bundle: int
    claim: str
    following: str  # the claim for the bundle to go on with; "" to leave
    held: Sequence[tuple[int, str]] = ()  # bundles held back before, with their claims
    store: bool = False  # all outputs: nothing may stay in memory any more


@dataclass(frozen=True)
class Fail:
    bundle: int
    claim: str
    error: bytes


@dataclass(frozen=True)
class Invite:
    """Ask the backend for containers."""

    whom: Sequence[Whom]


@dataclass(frozen=True)
class Delete:
    """Remove the blobs of outputs that nobody needs any more."""

    references: Sequence[bytes]


@dataclass(frozen=True)
class Discard:
    """Remove the blobs just written: the store refused to announce them."""


@dataclass(frozen=True)
class Complain:
    """Tell the client, through the backend, that the store cannot be used from here."""

    why: str


@dataclass(frozen=True)
class Leave:
    """Nothing more to do here: back to the backend."""


Instruction = (
    Claim | Fetch | Execute | Publish | Fail | Invite | Delete | Discard | Complain | Leave
)

# The legal transitions: (state, event) → (what decides, the states it may lead to).
# The diagram in the documentation is drawn from this table.
TABLE: dict[tuple[State, type], tuple[str, tuple[State, ...]]] = {
    (State.IDLE, Invited): ("claim", (State.CLAIMING,)),
    (State.CLAIMING, Answered): ("go_on", (State.FETCHING, State.IDLE)),
    (State.FETCHING, Fetched): ("run", (State.RUNNING,)),
    (State.FETCHING, Raised): ("fail", (State.FAILING,)),
    (State.RUNNING, Ran): ("publish", (State.PUBLISHING,)),
    (State.RUNNING, Raised): ("fail", (State.FAILING,)),
    (State.PUBLISHING, Raised): ("fail", (State.FAILING,)),
    (State.PUBLISHING, Answered): (
        "go_on",
        (State.FETCHING, State.CLAIMING, State.PUBLISHING, State.IDLE),
    ),
    (State.FAILING, Answered): ("leave", (State.IDLE,)),
    (State.FETCHING, Interrupted): ("leave", (State.IDLE,)),
    (State.RUNNING, Interrupted): ("leave", (State.IDLE,)),
    (State.CLAIMING, Unanswered): ("complain", (State.IDLE,)),
    (State.FETCHING, Unanswered): ("complain", (State.IDLE,)),
    (State.RUNNING, Unanswered): ("complain", (State.IDLE,)),
    (State.PUBLISHING, Unanswered): ("complain", (State.IDLE,)),
    (State.FAILING, Unanswered): ("complain", (State.IDLE,)),
}


class Machine:
    """One container's decisions. ``claims`` yields random tokens."""

    def __init__(self, claims: Iterator[str]) -> None:
        self.claims = claims
        self.state = State.IDLE
        self.claim_held = ""  # of the bundle under way
        self.following = ""  # asked for with the publish under way
        self.bundle = -1
        self.held: dict[int, str] = {}  # bundles that have run and are not done, with their claims

    def handle(self, event: Event) -> list[Instruction]:
        state = self.state
        if (entry := TABLE.get((state, type(event)))) is None:
            raise IllegalTransition(state.value, repr(event), self.bundle, self.claim_held)
        decide: Callable[[Event], list[Instruction]] = getattr(self, "on_" + entry[0])
        instructions = decide(event)
        if self.state not in entry[1]:
            raise IllegalTransition(state.value, repr(event), self.bundle, self.claim_held)
        return instructions

    def on_claim(self, event: Invited) -> list[Instruction]:
        self.state = State.CLAIMING
        self.claim_held = next(self.claims)
        return [Claim(self.claim_held, event.slot, invited=True)]

    def on_go_on(self, event: Answered) -> list[Instruction]:
        answer = event.answer
        instructions: list[Instruction] = []
        if answer.invitations:
            instructions.append(Invite(answer.invitations))
        if answer.released:
            instructions.append(Delete(answer.released))
        if self.state is State.PUBLISHING:
            mine = {**self.held, self.bundle: self.claim_held}
            self.held = {bundle: mine[bundle] for bundle in answer.held}
        if answer.status == OK and answer.assignment is not None:
            if self.state is State.PUBLISHING:
                self.claim_held = self.following
            self.state = State.FETCHING
            self.bundle = answer.assignment.bundle
            instructions.append(Fetch(answer.assignment, self.claim_held))
        elif answer.status == OK and self.held:  # and nothing else to do
            self.bundle, self.claim_held = self.held.popitem()
            instructions.append(self.publish(store=True))
        elif answer.status == FENCED:  # someone else has the bundle by now
            self.state = State.CLAIMING
            self.claim_held = next(self.claims)
            instructions += [Discard(), Claim(self.claim_held, None, invited=False)]
        else:
            if answer.status != OK and self.state is State.PUBLISHING:
                instructions.append(Discard())
            instructions += self.on_leave(event)
        return instructions

    def on_run(self, event: Fetched) -> list[Instruction]:
        self.state = State.RUNNING
        return [Execute()]

    def on_publish(self, event: Ran) -> list[Instruction]:
        self.state = State.PUBLISHING
        return [self.publish(go_on=not event.others_wait, store=event.others_wait)]

    def publish(self, go_on: bool = True, store: bool = False) -> Publish:
        self.following = next(self.claims) if go_on else ""
        held = tuple(self.held.items())
        return Publish(self.bundle, self.claim_held, self.following, held, store)

    def on_fail(self, event: Raised) -> list[Instruction]:
        self.state = State.FAILING
        return [Fail(self.bundle, self.claim_held, event.error)]

    def on_complain(self, event: Unanswered) -> list[Instruction]:
        """What was written stays: the store may have announced it and only the answer was lost.
        If not, the claim is one of those that the client cleans up after.
        """
        return [Complain(event.why), *self.on_leave(event)]

    def on_leave(self, event: Event) -> list[Instruction]:
        self.state = State.IDLE
        self.bundle = -1
        self.held = {}
        return [Leave()]


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> idle"]
    for (state, event), (_, targets) in TABLE.items():
        lines += [f"    {state.value} --> {t.value}: {event.__name__}" for t in targets]
    return "\n".join(lines)
