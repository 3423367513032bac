"""Many containers at once, with all that can go wrong between two steps, from seeds."""

from __future__ import annotations

from itertools import count
from random import Random
from time import sleep

import msgpack
import pytest
from bundle_graphs import names
from interleaving import LATER_MS, Moods, World, random_due, random_graph, random_pace, with_sizes

from dask_serverless.coordination.base import What
from dask_serverless.coordination.memory import MemoryCoordination, MemoryStore
from dask_serverless.coordination.redis import RedisCoordination
from dask_serverless.coordination.resizing import Resize
from dask_serverless.coordination.untold import Dead, Untold

runs = count()


class Twin:
    """The memory twin, as far as a world needs it."""

    def __init__(self) -> None:
        self.milliseconds = 1_000_000
        self.store = MemoryStore(clock=lambda: self.milliseconds / 1000)
        self.name = f"run{next(runs)}"

    def open(self):
        return MemoryCoordination(self.store, self.name, "epoch")

    def pass_time(self):
        record = self.store.runs[self.name]
        record.submitted -= 2 * LATER_MS / 1000
        record.leases = dict.fromkeys(record.leases, 1.0)  # after what was given back, as there
        for invites in (record.invites, *record.larger.values()):
            invites.clear()
        for slot, bundle in list(record.patience.waiting):
            record.patience.discard(slot, bundle)
            record.patience.set(slot, bundle, 0)


class Real:
    """A real server; time passes by rewriting what it noted of time."""

    def __init__(self, link) -> None:
        self.link = link
        self.name = f"run{next(runs)}"

    def open(self):
        return RedisCoordination(self.link, self.name, "epoch")

    def pass_time(self):
        prefix = f"ds:{{{self.name}}}:"
        self.link.call(("HINCRBY", prefix + "meta", "submitted", -2000 * LATER_MS))
        for bundle in self.link.call(("ZRANGE", prefix + "leases", 0, -1))[0]:
            if bundle:
                self.link.call(("ZADD", prefix + "leases", 1, bundle))
        for size in ("", 1, 2):
            self.link.call(("ZREMRANGEBYSCORE", f"{prefix}invites{size}", "-inf", "(+inf"))
        for size in ("", 1, 2):
            for word in self.link.call(("ZRANGE", f"{prefix}patience{size}", 0, -1))[0]:
                if word:
                    self.link.call(("ZADD", f"{prefix}patience{size}", 0, word))


@pytest.mark.parametrize("first", range(0, 2000, 500))
def test_whatever_happens_each_bundle_counts_once_over_the_twin(first):
    worlds = [lives(seed, Twin(), Moods()) for seed in range(first, first + 500)]
    assert sum(world.moves for world in worlds) > 50  # else nothing was said of bundles that leave
    assert sum(world.splits for world in worlds) > 50  # their slots, or are divided


def test_whatever_happens_each_bundle_counts_once_over_a_server(link):
    worlds = [lives(seed, Real(link), Moods()) for seed in range(1000, 1300)]
    assert sum(world.moves for world in worlds) > 30
    assert sum(world.splits for world in worlds) > 30
    assert link.call(("KEYS", "*")) == [[]]


def test_a_task_that_raises_ends_the_run_whatever_else_happens(link):
    ends = set()
    for seed in range(2000, 2040):
        ends.add(lives(seed, Twin(), Moods(raises=0.1)).why)
        ends.add(lives(seed, Real(link), Moods(raises=0.1)).why)
    assert ends == {"done", "failed"}
    assert link.call(("KEYS", "*")) == [[]]


def test_containers_of_several_sizes_get_what_they_are_large_enough_for(link):
    twins = [lives(seed, Twin(), Moods(sized=True)) for seed in range(3000, 3300)]
    servers = [lives(seed, Real(link), Moods(sized=True)) for seed in range(3300, 3360)]
    for worlds, least in ((twins, 20), (servers, 3)):
        assert sum(world.moves for world in worlds) > least  # bundles left their slots, too
        assert sum(world.resizes for world in worlds) > least  # and runs were behind their plans
    assert link.call(("KEYS", "*")) == [[]]


def lives(seed, side, moods):
    world = World(seed, side.open, side.pass_time, moods)
    try:
        world.why = world.live()
        assert world.why == "done" or moods.raises
        world.check_end(world.why)
    except AssertionError as error:
        graph = world.graph
        error.add_note(f"seed {seed}, {graph.inputs}, slots {graph.slots}, sizes {graph.sizes}")
        raise
    return world


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_the_twin_and_the_scripts_answer_alike(link, first):
    for seed in range(first, first + 20):
        differential(seed, Twin(), Real(link))


def test_the_twin_and_the_scripts_answer_alike_about_several_sizes(link):
    for seed in range(60, 90):
        differential(seed, Twin(), Real(link), sized=True)


@pytest.mark.parametrize("first", range(0, 12, 4))
def test_the_twin_and_the_scripts_answer_alike_about_a_hundred_slots(link, first):
    for seed in range(first, first + 4):
        differential(seed, Twin(), Real(link), bundles=150, slots=100, containers=12)


def differential(seed, twin, real, bundles=14, slots=3, containers=4, sized=False):
    """The same random calls on both sides, also nonsensical ones."""
    random = Random(seed)
    graph = random_graph(random, bundles, slots)
    graph = with_sizes(random, graph) if sized else graph
    sides = [twin.open(), real.open()]
    submission = graph.submission(
        containers=random.randint(1, containers),
        attempts=4,
        blobs=[b"fx"],
        spread=random.random() < 0.5,
        due=random_due(random, graph),
        pace=random_pace(random, graph),
    )
    for side in sides:
        side.submit(submission)
    held = {}
    for number in range(random.randint(10, 6 * bundles)):
        container = f"c{random.randrange(containers)}"
        arguments = call_of(random, graph, container, held, number)
        if arguments is None:
            twin.pass_time()
            real.pass_time()
            continue
        name, args, options = arguments
        twin.milliseconds += 2
        sleep(0.0012)  # no two calls at the same millisecond: their order by time would be another
        answers = [getattr(side, name)(*args, **options) for side in sides]
        mine, theirs = map(comparable, answers)
        assert mine == theirs, f"seed {seed}, call {number}: {name}{args}{options}"
        if name == "split" and answers[0].divided:
            graph.divided(args[1], args[3])
        if name in ("claim", "publish"):
            following = args[2] if name == "publish" else args[1]
            mine = held.setdefault(container, {})
            for bundle in set(mine) - set(answers[0].held):
                del mine[bundle]
            if (bundle := names(answers[0].assignment)) is not None:
                mine[bundle] = following
    assert comparable(sides[0].close()) == comparable(sides[1].close())


def call_of(random, graph, container, held, number):
    """(method, arguments, keywords), or None for time to pass."""
    mine = held.get(container) or {random.randrange(len(graph.inputs)): f"none of {container}"}
    *others, (bundle, claim) = mine.items()
    dice = random.random()
    if dice < 0.3:
        slot = random.choice([None, random.choice(graph.slots or [0, 1, 2])])
        again = claim if random.random() < 0.2 else f"k{number}"
        invited, header = random.random() < 0.5, random.random() < 0.2
        cold = random.random() < 0.5
        options = {"slot": slot, "invited": invited, "cold": cold, "header": header}
        if graph.sizes:
            options["memory_mb"] = random.choice([512, 600, *graph.sizes])
            options["wanted_mb"] = random.choice(graph.sizes)
        return "claim", (container, again), options
    if dice < 0.75:
        reference = f"{random.choice('ir')}{bundle}:{claim}".encode()
        deleted = [f"r{random.randrange(len(graph.inputs))}:k".encode()]
        following = random.choice(["", f"k{number}", f"k{number}"])
        report = kept(random, graph, bundle, claim, reference, deleted)
        reports = [kept(random, graph, *other, b"r" + reference, ()) for other in others]
        return "publish", (container, report, following), {"held": reports}
    if dice < 0.77:
        first = len(graph.specs) - (random.random() < 0.2)
        division = graph.division(bundle, random.randint(1, 3), first)
        return "split", (container, bundle, claim, random.choice([None, division])), {}
    if dice < 0.8:
        tight = random.choice(["", "", "500 MiB of its limit of 512 MiB"])
        return "renew", (container, bundle, claim), {"tight": tight}
    if dice < 0.81:
        return "fail", (container, bundle, claim, b"error"), {}
    if dice < 0.88:
        gone = [(f"c{random.randint(0, 9)}", "why") for _ in range(random.randint(0, 2))]
        if random.random() < 0.1:
            gone.append(("*", "all at once"))
        options = {}
        if graph.sizes:
            outgrown = [name for name, _ in gone if name != "*" and random.random() < 0.3]
            options["outgrown"] = outgrown
        return "sweep", ([Dead(*each) for each in gone], 60), options
    if dice < 0.92:
        return "outputs", (sorted({0, random.randrange(len(graph.inputs))}),), {}
    if dice < 0.95:
        return "news", ("0-0", 0), {}
    return None


def kept(random, graph, bundle, claim, reference, deleted):
    """A report by which an output stays in memory for some of its children, or for none."""
    users = graph.users(bundle)
    near = [child for child in users if random.random() < 0.5]
    if users and near == users and random.random() < 0.7:
        reference = b""
    patient = random.random() < 0.5
    return graph.near(
        bundle,
        claim,
        near,
        reference=reference,
        patient=patient,
        deleted=deleted,
        beside=random.sample(range(len(graph.inputs)), random.randrange(3) % len(graph.inputs)),
        after=random.randint(-1, len(graph.inputs)),
    )


def comparable(answer):
    """As plain values: tuples and lists alike, and where to go on reading left out."""
    if isinstance(answer, list):
        return answer
    fields = dict(vars(answer))
    if "events" in fields:
        fields["events"] = [without_times(event) for event in fields["events"]]
    if fields.get("error"):
        fields["error"] = untimed(fields["error"])
    fields.pop("last", None)
    for name in ("references", "claims"):
        if name in fields:
            fields[name] = sorted(set(fields[name]))
    return {name: list(v) if isinstance(v, tuple) else v for name, v in fields.items()}


def without_times(event):
    """No two sides take a step in the same millisecond."""
    if event.what is What.RESIZED:
        return Resize.unpack(event.payload)._replace(due_ms=0)
    if event.what is What.UNTOLD:
        return Untold.unpack(event.payload)._replace(came_ms=0, until_ms=0)
    return (event.what, untimed(event.payload)) if event.what is What.FAILED else event


def untimed(error):
    """Why a run failed; the loss of a container has its time."""
    if error == b"error":  # what the calls here report
        return error
    what, *details = msgpack.unpackb(error)
    if what != "lost":
        return error
    bundle, tries, story = details
    return [what, bundle, tries, [(container, why) for container, why, *_ in story]]
