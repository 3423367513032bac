"""Containers, their client and a moody world, one step at a time, in an order drawn from a seed.

Only I/O is played: machines, coordination and its scripts are the real ones. A world has crashes
before and after every call, replies that get lost (the call is repeated later), containers that are
taken for dead and go on, invitations that get lost or come twice, and time that passes in jumps.
Some have containers of several sizes, and what a plan says of them proves too small now and then.
Containers keep outputs in memory for some children, hold them back or store them, as they like.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random

import msgpack
from bundle_graphs import Graph, names, read

from dask_serverless.coordination.base import (
    ANYONE,
    LOST,
    NEVER,
    OK,
    OVER,
    Answer,
    Assignment,
    Coordination,
    Report,
    What,
    Whom,
    maker,
)
from dask_serverless.coordination.moving import Move
from dask_serverless.coordination.resizing import Pace, Resize
from dask_serverless.coordination.sizes import of_size, size_of, size_with
from dask_serverless.coordination.splitting import Split
from dask_serverless.coordination.untold import Dead
from dask_serverless.worker import machine as m

MOST_PARTIES = 4
MOST_BUNDLES = 40  # with those that are parts of others
MOST_STEPS = 20_000
LATER_MS = 10**8  # not before time is told to pass


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
    keeps: float = 0.5  # an output in memory for a child
    waits: float = 0.5  # with what it keeps, while there is other work
    overdue: float = 0.3  # what it keeps is given while another bundle runs
    divides: float = 0.15  # what has not begun of its bundle
    outgrown: float = 0.2  # who crashes had not enough memory, where there are several sizes
    sized: bool = False


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
        if moods.sized:
            self.graph = with_sizes(self.random, self.graph)
        self.client = open_run()
        self.parties: list[Party] = []
        self.names = count()
        self.invitations: deque[Whom] = deque()
        self.gone: list[tuple[str, str]] = []
        self.outgrown: list[Party] = []
        self.least = 0  # the size that is large enough for the run
        self.blobs: set[bytes] = set()
        self.announced: dict[int, set[bytes]] = defaultdict(set)
        self.finished: dict[int, str] = {}  # bundle → the claim that was accepted
        self.why = ""
        self.moves = 0  # of bundles from their slots
        self.splits = 0
        self.resizes = 0  # of the run, and back

    def live(self) -> str:
        """Until the run is over and all containers are idle; why it ended."""
        graph, random = self.graph, self.random
        due = random_due(random, graph)
        spread = random.random() < 0.3
        pace = random_pace(random, graph)
        self.client.submit(
            graph.submission(containers=3, attempts=10_000, spread=spread, due=due, pace=pace)
        )
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
        outgrown, self.outgrown = self.outgrown, []
        condition = self.client.sweep(
            [Dead(*each) for each in gone], 60, outgrown=[party.name for party in outgrown]
        )
        if condition.status == OK:
            larger = [
                party.size + 1 for party in outgrown if party.size + 1 < len(self.graph.sizes)
            ]
            self.least = max(self.least, *larger, 0)
        assert condition.status != LOST
        self.invitations += condition.invitations
        return condition.why if condition.status == OVER else ""

    def invite(self, whom: Whom) -> None:
        if self.happens("lost_invitation"):
            return
        if self.happens("double_invitation"):
            self.invitations.append(whom)
        idle = [party for party in self.parties if not party.todo]
        large = [party for party in idle if party.memory_mb >= whom.memory_mb]
        party = next((p for p in large if p.name == whom.container), large[0] if large else None)
        if party is None:
            if len(self.parties) >= MOST_PARTIES:
                if not idle:
                    return
                self.parties.remove(idle[0])  # a smaller one makes room
            memory = [each for each in self.graph.sizes if each >= whom.memory_mb]
            mine = self.random.choice(memory) if memory else 0
            party = Party(self, f"c{next(self.names)}", mine)
            self.parties.append(party)
        party.wanted_mb = whom.memory_mb
        party.handle(m.Invited(whom.slot))

    def happens(self, mood: str) -> bool:
        return self.random.random() < getattr(self.moods, mood)

    def check_end(self, why: str) -> None:
        """After the run: everything happened once, and nothing is left."""
        if why == "done":
            events = self.client.news("0-0", 0).events
            told = [int(event.payload) for event in events if event.what is What.FINISHED]
            assert sorted(told) == list(range(len(self.graph.specs)))
            moves = [Move.unpack(event.payload) for event in events if event.what is What.MOVED]
            splits = [Split.unpack(event.payload) for event in events if event.what is What.SPLIT]
            resizes = [
                Resize.unpack(event.payload) for event in events if event.what is What.RESIZED
            ]
            versions = sorted(told.version for told in (*moves, *splits, *resizes))
            assert versions == list(range(1, len(versions) + 1))
            assert sum(split.parts for split in splits) == len(told) - len(self.graph.inputs)
            assert all(move.slot == self.graph.slot(move.bundle) >= 0 for move in moves)
            self.moves, self.splits, self.resizes = len(moves), len(splits), len(resizes)
        remains = self.client.close()
        self.blobs -= set(remains.references)
        self.blobs -= {b for b in self.blobs if claim_of(b) in remains.claims}
        assert self.blobs == set()


@dataclass
class Party:
    """A container: the machine's instructions, performed one a step."""

    world: World
    name: str
    memory_mb: int = 0
    wanted_mb: int = 0  # that it was invited to have
    asked_again: bool = False
    todo: deque[m.Instruction] = field(default_factory=deque)
    memory: set[int] = field(default_factory=set)  # bundles whose outputs are there
    written: dict[int, bytes] = field(default_factory=dict)  # by bundle: of those not done
    given: dict[int, list[int]] = field(default_factory=dict)  # children that have their input
    deleted: list[bytes] = field(default_factory=list)
    said: tuple[m.Publish, list[Report]] | None = None  # what is said again if no answer comes
    gone: set[int] = field(default_factory=set)  # bundles held back, and given since

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
                self.discard(set(self.written.values()))
                self.drop()
            case m.Leave():
                self.drop()
        return None

    def crash(self) -> None:
        self.world.parties.remove(self)
        if self.world.random.random() < 0.7:  # else only the lease tells
            self.world.gone.append((self.name, "crashed"))
            sized = self.world.graph.sizes and self.machine.bundle >= 0
            if sized and self.world.happens("outgrown"):
                self.world.outgrown.append(self)

    @property
    def size(self) -> int:
        return size_with(self.memory_mb, self.world.graph.sizes)

    def answered(self, instruction: m.Instruction, answer: Answer) -> None:
        if self.world.happens("crash"):
            self.crash()
        elif self.world.happens("lost_reply"):
            self.todo.appendleft(instruction)
            self.asked_again = True  # what it was given it keeps, even if the run has outgrown it
        else:
            self.check_size(answer, 0 if self.asked_again else self.world.least)
            self.asked_again = False
            self.handle(m.Answered(answer))

    def check_size(self, answer: Answer, least: int) -> None:
        """What it is given, it is large enough for."""
        graph = self.world.graph
        if answer.assignment is not None and graph.sizes:
            needed = size_of(graph.slot(answer.assignment.bundle))
            assert self.size >= max(needed, least)

    def claim(self, instruction: m.Claim) -> Answer:
        return self.run.claim(
            self.name, instruction.claim, slot=instruction.slot, invited=instruction.invited,
            memory_mb=self.memory_mb, wanted_mb=self.wanted_mb,
        )  # fmt: skip

    def drop(self) -> None:
        self.memory, self.written, self.given, self.gone = set(), {}, {}, set()

    def fetch(self, instruction: m.Fetch) -> None:
        assignment = instruction.assignment
        bundle = names(assignment)
        mine = self.run.renew(self.name, bundle, instruction.claim).status == OK
        there = self.has_inputs(assignment, {each.bundle: each for each in assignment.makers})
        if mine:
            assert there, "an input is nowhere, and nobody can make it"
        if there:
            self.handle(m.Fetched())
        else:  # somebody else finished this bundle meanwhile, and its inputs are gone
            self.handle(m.Raised(b"blob lost"))

    def has_inputs(self, assignment: Assignment, makers: Mapping[int, Assignment]) -> bool:
        """Whether each input is in this memory or stored, or can be made again from such ones."""
        for task, reference in zip(read(assignment.spec).inputs, assignment.inputs, strict=True):
            if (bundle := maker(reference)) is None:
                if reference not in self.world.blobs:
                    return False
                assert reference in self.world.announced[task]
            elif task not in self.memory and (
                bundle not in makers or not self.has_inputs(makers[bundle], makers)
            ):
                return False
        return True

    def run_tasks(self) -> None:
        if self.world.random.random() < 0.3:
            answer = self.run.renew(self.name, self.machine.bundle, self.machine.claim_held)
            if answer.status != OK:
                return self.handle(m.Interrupted())
        if self.machine.held and self.world.happens("overdue"):
            self.give(*self.world.random.choice(list(self.machine.held.items())))
        if self.world.happens("divides") and not self.divide():
            return self.handle(m.Interrupted())
        raises = self.world.happens("raises")
        return self.handle(m.Raised(b"task raised") if raises else m.Ran())

    def divide(self) -> bool:
        """Whether the bundle is still its own; others get parts of it where there is room."""
        world, graph = self.world, self.world.graph
        bundle, claim = self.machine.bundle, self.machine.claim_held
        room = self.run.split(self.name, bundle, claim)
        if room.status != OK or not room.containers or len(graph.specs) > MOST_BUNDLES:
            return room.status == OK
        assert room.bundles == len(graph.specs)
        division = graph.division(bundle, world.random.randint(1, 3))
        first = world.random.choice([division.first, division.first, division.first - 1])
        for _ in range(1 + world.happens("lost_reply")):
            told = self.run.split(self.name, bundle, claim, replace(division, first=first))
            assert told.divided is (first == division.first)
            world.invitations.extend(told.invitations)
        if told.divided:
            graph.divided(bundle, division)
        return True

    def discard(self, references: set[bytes]) -> None:
        """What was written, but for what an earlier call announced."""
        self.world.blobs -= references - set().union(*self.world.announced.values())

    def give(self, bundle: int, claim: str) -> None:
        """What is held back is stored and announced, while another bundle runs."""
        if bundle in self.gone:
            return
        self.gone.add(bundle)
        report = self.report(bundle, claim, store=True)
        for _ in range(1 + self.world.happens("lost_reply")):
            answer = self.run.publish(self.name, report, "")
        if answer.status == OK:
            self.announce([report], answer)
            self.world.invitations.extend(answer.invitations)
            self.world.blobs -= set(answer.released)
            self.deleted += answer.released
        else:
            self.discard({self.written.pop(bundle)})

    def publish(self, instruction: m.Publish) -> Answer:
        if self.said is None or self.said[0] is not instruction:
            held = [pair for pair in instruction.held if pair[0] not in self.gone]
            pairs = [(instruction.bundle, instruction.claim), *held]
            store = instruction.store or not instruction.following
            self.said = instruction, [self.report(*pair, store=store) for pair in pairs]
        reports = self.said[1]
        answer = self.run.publish(self.name, reports[0], instruction.following, held=reports[1:])
        if answer.status == OK:
            self.accepted(reports, answer)
        return answer

    def report(self, bundle: int, claim: str, store: bool) -> Report:
        """Some children get the output from memory, if they come here; the others a stored one."""
        world, users = self.world, self.world.graph.users(bundle)
        before = self.given.get(bundle, [])
        left = [child for child in users if child not in before]
        near = [] if store else [child for child in left if world.happens("keeps")]
        if near != left or not users or world.random.random() < 0.2:
            self.written[bundle] = f"r{bundle}:{claim}".encode()
            world.blobs.add(self.written[bundle])
        return world.graph.near(
            bundle, claim, near,
            reference=self.written.get(bundle, b""), before=before, after=bundle, patient=world.happens("waits"),
            deleted=self.deleted,
        )  # fmt: skip

    def accepted(self, reports: Sequence[Report], answer: Answer) -> None:
        self.memory, self.gone = {report.bundle for report in reports}, set()
        self.announce(reports, answer)

    def announce(self, reports: Sequence[Report], answer: Answer) -> None:
        mine = answer.assignment.bundle if answer.assignment is not None else -1
        for report in reports:
            if report.outputs:
                self.world.announced[report.bundle].add(report.outputs[1])
            near = [row[0] for row in msgpack.unpackb(report.near)] if report.near else []
            users = self.world.graph.users(report.bundle)
            self.given[report.bundle] = [c for c in users if c not in near or c == mine]
            if report.bundle not in answer.held:
                self.written.pop(report.bundle, None)
                del self.given[report.bundle]
        first = reports[0]
        if first.bundle not in answer.held:
            assert self.world.finished.setdefault(first.bundle, first.claim) == first.claim


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


def with_sizes(random: Random, graph: Graph) -> Graph:
    sizes = (512, 1024, 4096)[: random.randint(2, 3)]
    slots = graph.slots or [-1] * len(graph.inputs)
    return Graph(graph.inputs, [of_size(s, random.randrange(len(sizes))) for s in slots], sizes)


def random_due(random: Random, graph: Graph) -> list[int]:
    """When bundles should have begun: at once, much later, or whenever; often none has such a time."""
    if not graph.slots or random.random() < 0.3:
        return []
    return random.choices([0, 1, LATER_MS, NEVER], [5, 1, 1, 1], k=len(graph.inputs))


def random_pace(random: Random, graph: Graph) -> Pace | None:
    """What a run of several sizes has to keep: at once, or once time has passed."""
    if not graph.sizes or random.random() < 0.3:
        return None
    times = sorted(random.choices([-1, LATER_MS], k=random.randint(1, 3)))
    counts = sorted(random.randint(1, len(graph.inputs)) for _ in times)
    larger = range(1, len(graph.sizes))
    sizes = sorted(random.sample(larger, random.randint(1, len(larger))))
    start, patience = random.choice([0, LATER_MS]), random.choice([0, LATER_MS])
    return Pace(sizes, list(zip(times, counts, strict=True)), start, patience)
