"""Containers, their client and a moody world, one step at a time, in an order drawn from a seed.

Only I/O is played: machines, coordination and its scripts are the real ones. A world has crashes
before and after every call, replies that get lost (the call is repeated later), containers that are
taken for dead and go on, invitations that get lost or come twice, and time that passes in jumps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random

from bundle_graphs import Graph, names, read

from dask_serverless.coordination.base import ANYONE, LOST, OK, OVER, Answer, Coordination, Whom
from dask_serverless.worker import machine as m

MOST_PARTIES = 4
MOST_STEPS = 20_000


@dataclass
class Moods:
    """How likely it is that a step goes wrong."""

    crash: float = 0.03
    lost_reply: float = 0.1
    taken_for_dead: float = 0.03
    lost_invitation: float = 0.1
    double_invitation: float = 0.1
    time_passes: float = 0.02
    raises: float = 0.0


class World:
    """What everybody shares, and what may never happen in it."""

    def __init__(
        self,
        seed: int,
        open_run: Callable[[], Coordination],
        pass_time: Callable[[], None],
        moods: Moods,
    ) -> None:
        self.random = Random(seed)
        self.open_run = open_run
        self.pass_time = pass_time
        self.moods = moods
        self.graph = random_graph(self.random)
        self.client = open_run()
        self.parties: list[Party] = []
        self.names = count()
        self.invitations: deque[Whom] = deque()
        self.gone: list[tuple[str, str]] = []
        self.blobs: set[bytes] = set()
        self.announced: dict[int, bytes] = {}
        self.finished: dict[int, str] = {}  # bundle → the claim that was accepted

    def live(self) -> str:
        """Until the run is over and all containers are idle; why it ended."""
        graph = self.graph
        self.client.submit(graph.submission(containers=3, attempts=10_000))
        self.invitations += [ANYONE] * 3
        why = ""
        for _ in range(MOST_STEPS):
            busy = [party for party in self.parties if party.todo]
            if why and not busy:
                return why
            if busy and self.random.random() < 0.9:
                self.random.choice(busy).step()
            elif self.invitations and self.random.random() < 0.8:
                self.invite(self.invitations.popleft())
            else:
                why = why or self.look()
        raise AssertionError("the run does not end")

    def look(self) -> str:
        """The client sweeps; where nothing moves at all, time passes."""
        stuck = not self.invitations and not any(p.todo for p in self.parties)
        if stuck or self.random.random() < self.moods.time_passes:
            self.pass_time()
        gone, self.gone = self.gone, []
        condition = self.client.sweep(gone, 60)
        assert condition.status != LOST
        self.invitations += condition.invitations
        return condition.why if condition.status == OVER else ""

    def invite(self, whom: Whom) -> None:
        if self.happens("lost_invitation"):
            return
        if self.happens("double_invitation"):
            self.invitations.append(whom)
        idle = [party for party in self.parties if not party.todo]
        party = next((p for p in idle if p.name == whom.container), idle[0] if idle else None)
        if party is None:
            if len(self.parties) >= MOST_PARTIES:
                return
            party = Party(self, f"c{next(self.names)}")
            self.parties.append(party)
        party.handle(m.Invited(whom.slot))

    def happens(self, mood: str) -> bool:
        return self.random.random() < getattr(self.moods, mood)

    def check_end(self, why: str) -> None:
        """After the run: everything happened once, and nothing is left."""
        if why == "done":
            assert sorted(self.finished) == list(range(len(self.graph.inputs)))
            assert len(self.client.news("0-0", 0).events) == len(self.graph.inputs)
        remains = self.client.close()
        self.blobs -= set(remains.references)
        self.blobs -= {b for b in self.blobs if claim_of(b) in remains.claims}
        assert self.blobs == set()


@dataclass
class Party:
    """A container: the machine's instructions, performed one a step."""

    world: World
    name: str
    todo: deque[m.Instruction] = field(default_factory=deque)
    written: list[bytes] = field(default_factory=list)
    deleted: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.run = self.world.open_run()
        self.machine = m.Machine(claims(self.name))

    def handle(self, event: m.Event) -> None:
        self.todo.extend(self.machine.handle(event))

    def step(self) -> None:
        world = self.world
        if world.happens("crash"):
            return self.crash()
        if world.happens("taken_for_dead"):
            world.gone.append((self.name, "taken for dead"))
        instruction = self.todo.popleft()
        match instruction:
            case m.Claim():
                self.answered(instruction, self.claim(instruction))
            case m.Fetch():
                self.fetch(instruction)
            case m.Execute():
                self.run_tasks()
            case m.Publish():
                self.answered(instruction, self.publish(instruction))
            case m.Fail():
                fail = self.run.fail
                answer = fail(self.name, instruction.bundle, instruction.claim, instruction.error)
                self.answered(instruction, answer)
            case m.Invite():
                world.invitations.extend(instruction.whom)
            case m.Delete():
                world.blobs -= set(instruction.references)
                self.deleted += instruction.references
            case m.Discard():
                assert not set(self.written) & set(world.announced.values())
                world.blobs -= set(self.written)
            case m.Leave():
                pass
        return None

    def crash(self) -> None:
        self.world.parties.remove(self)
        if self.world.random.random() < 0.7:  # else only the lease tells
            self.world.gone.append((self.name, "crashed"))

    def answered(self, instruction: m.Instruction, answer: Answer) -> None:
        if self.world.happens("crash"):
            self.crash()
        elif self.world.happens("lost_reply"):
            self.todo.appendleft(instruction)
        else:
            self.handle(m.Answered(answer))

    def claim(self, instruction: m.Claim) -> Answer:
        return self.run.claim(
            self.name, instruction.claim, slot=instruction.slot, invited=instruction.invited
        )

    def fetch(self, instruction: m.Fetch) -> None:
        world, assignment = self.world, instruction.assignment
        self.written = []
        bundle = names(assignment)
        mine = self.run.renew(self.name, bundle, instruction.claim).status == OK
        inputs = [world.announced.get(task) for task in read(assignment.spec).inputs]
        if mine:
            assert list(assignment.inputs) == inputs
            assert set(inputs) <= world.blobs
        if set(inputs) <= world.blobs:
            self.handle(m.Fetched())
        else:  # somebody else finished this bundle meanwhile, and its inputs are gone
            self.handle(m.Raised(b"blob lost"))

    def run_tasks(self) -> None:
        if self.world.random.random() < 0.3:
            answer = self.run.renew(self.name, self.machine.bundle, self.machine.claim_held)
            if answer.status != OK:
                return self.handle(m.Interrupted())
        raises = self.world.happens("raises")
        return self.handle(m.Raised(b"task raised") if raises else m.Ran())

    def publish(self, instruction: m.Publish) -> Answer:
        world, bundle, claim = self.world, instruction.bundle, instruction.claim
        reference = f"r{bundle}:{claim}".encode()
        if not self.written:
            self.written = [reference]
            world.blobs.add(reference)
        report = world.graph.report(bundle, claim, reference, self.deleted)
        answer = self.run.publish(self.name, report, instruction.following)
        if answer.status == OK:
            assert world.finished.setdefault(bundle, claim) == claim
            world.announced[bundle] = reference
        return answer


def claims(name: str) -> Iterator[str]:
    return (f"{name}.{number}" for number in count())


def claim_of(reference: bytes) -> str:
    return reference.partition(b":")[2].decode()


def random_graph(random: Random, most: int = 14, slots: int = 3) -> Graph:
    size = random.randint(1, most)
    inputs = []
    for bundle in range(size):
        few = min(bundle, random.choice([0, 1, 2, 3, 12]))
        inputs.append(sorted(random.sample(range(bundle), random.randint(0, few))))
    mixed = [random.randrange(-1, slots) for _ in range(size)]
    return Graph(inputs, mixed if random.random() < 0.6 else ())
