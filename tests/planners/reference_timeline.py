"""A slow, obvious reading of the cost model: sets and dicts, the next event found by min()."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from planners.cost.platform import Platform
from planners.numbers.workload import Workload
from planners.plans.annotations import (
    CheckFanIn,
    DuplicateTask,
    HoldOutput,
    KeepChildren,
    PreloadInputs,
    StartContainers,
    StreamInputs,
    StreamOutputs,
)
from planners.plans.plan import Plan


class Stuck(Exception):
    """Bundles are left that no container will ever run."""


class Reference:
    """One run of a plan. Everything a container does is looked up when it does it."""

    def __init__(self, plan: Plan, workload: Workload, platform: Platform, containers: int):
        self.plan, self.workload, self.platform = plan, workload, platform
        self.places = containers
        dag = workload.dag
        self.bundle_of = [int(bundle) for bundle in plan.bundles]
        self.bundles = list(range(len(plan.slots)))
        self.memory = [int(memory) or platform.default_memory_mb for memory in plan.memory_mb]
        self.slot = [int(slot) for slot in plan.slots]
        self.inputs_of_task = {
            task: [
                int(one)
                for one in dag.inputs[dag.input_offsets[task] : dag.input_offsets[task + 1]]
            ]
            for task in range(dag.tasks)
        }
        self.copies = self.notes(DuplicateTask)
        self.needs = {bundle: self.needed_tasks(bundle) for bundle in self.bundles}
        self.parents = {b: {self.bundle_of[task] for task in self.needs[b]} for b in self.bundles}
        self.after: dict[int, int] = {}
        self.decide_what_follows()
        self.holds = {note.bundle: (note.child, 0.0) for note in self.notes(CheckFanIn)}
        self.holds |= {
            note.bundle: (note.child, note.wait_seconds) for note in self.notes(HoldOutput)
        }
        self.plan_holds = bool(self.holds)
        for bundle in self.bundles:
            if bundle not in self.holds and (child := self.asks_for(bundle)) is not None:
                self.holds[bundle] = child, self.unasked_wait(bundle, child)

    def notes(self, kind):
        return [note for note in self.plan.annotations if isinstance(note, kind)]

    def tasks_of(self, bundle):
        return [task for task, its in enumerate(self.bundle_of) if its == bundle]

    def needed_tasks(self, bundle):
        copied = {copy.task for copy in self.copies if copy.bundle == bundle}
        needed = {one for task in self.tasks_of(bundle) for one in self.inputs_of_task[task]}
        needed = (needed - copied) | {one for task in copied for one in self.inputs_of_task[task]}
        return {task for task in needed if self.bundle_of[task] != bundle} - copied

    def bytes_between(self, parent, child):
        return sum(self.size(task) for task in self.needs[child] if self.bundle_of[task] == parent)

    def size(self, task):
        return float(self.workload.output_bytes[task])

    def decide_what_follows(self):
        for slot in set(self.slot) - {-1}:
            members = [bundle for bundle in self.bundles if self.slot[bundle] == slot]
            for one, other in pairwise(members):
                self.after[one] = other
        for note in self.notes(KeepChildren):
            for one, other in pairwise((note.bundle, *note.children)):
                self.after[one] = other
        for parent in self.bundles:
            only = [
                child
                for child in self.bundles
                if self.parents[child] == {parent}
                and self.slot[child] == -1
                and self.memory[child] == self.memory[parent]
                and child not in self.after.values()
            ]
            if parent not in self.after and only:
                self.after[parent] = min(only, key=lambda c: (-self.bytes_between(parent, c), c))

    def asks_for(self, bundle):
        """The fan-in for which a container asks of its own accord whether it may go on with it."""
        takers = [b for b in self.bundles if bundle in self.parents[b]]
        if len(takers) != 1 or bundle in self.after:
            return None
        child = takers[0]
        free = self.slot[child] == -1 and child not in self.after.values()
        if not free or self.memory[child] != self.memory[bundle]:
            return None
        given = [task for task in self.needs[child] if self.bundle_of[task] == bundle]
        size = self.large(given)
        large = size * len(given) >= self.platform.ask_bytes * len(self.needs[child])
        return child if large else None

    def large(self, tasks):
        """Bytes that do not travel inline."""
        sizes = map(self.size, tasks)
        return sum(size for size in sizes if size > self.platform.inline_bytes)

    def unasked_wait(self, bundle, child):
        given = [task for task in self.needs[child] if self.bundle_of[task] == bundle]
        storing = self.workload.upload.per_byte * self.large(given)
        return storing if self.plan_holds and self.exec_seconds(bundle) < storing else 0.0

    def companions(self, bundle):
        """Bundles that are certain to run in the same container."""
        before = {other: one for one, other in self.after.items()}
        mine = {bundle}
        for step in (before, self.after):
            at = bundle
            while at in step:
                at = step[at]
                mine.add(at)
        return mine

    def exec_seconds(self, bundle):
        seconds = self.workload.seconds(self.memory[bundle])
        copied = [copy.task for copy in self.copies if copy.bundle == bundle]
        return sum(float(seconds[task]) for task in self.tasks_of(bundle) + copied)

    def bytes_to_store(self, bundle, except_for=None):
        return sum(map(self.size, self.tasks_to_store(bundle, except_for)))

    def tasks_to_store(self, bundle, except_for=None):
        at_home = self.companions(bundle) | {except_for}
        return [
            task
            for task in self.tasks_of(bundle)
            if self.workload.dag.wanted[task]
            or any(task in self.needs[b] for b in self.bundles if b not in at_home)
        ]

    def streamed_seconds(self, note):
        upload, stored = self.workload.upload, self.tasks_to_store(note.bundle)
        tasks = self.tasks_of(note.bundle)
        seconds = self.workload.seconds(self.memory[note.bundle])
        clock = self.exec_seconds(note.bundle) - sum(float(seconds[task]) for task in tasks)
        sent = 0.0
        for task in tasks:
            clock += float(seconds[task])
            if task in stored and task in note.tasks:
                sent = max(sent, clock) + (upload.at(self.size(task)) if self.size(task) else 0.0)
        rest = sum(self.size(task) for task in stored if task not in note.tasks)
        return max(sent - clock, 0.0) + (upload.at(rest) if rest else 0.0)

    def store_seconds(self, bundle):
        size, upload = self.bytes_to_store(bundle), self.workload.upload
        seconds = upload.at(size) if size else 0.0
        for note in self.notes(StreamOutputs):
            if note.bundle == bundle:
                seconds = self.streamed_seconds(note)
        return self.pack_seconds(bundle) + seconds + self.platform.publish_seconds

    def pack_seconds(self, bundle):
        early = {task for note in self.notes(StreamOutputs) for task in note.tasks}
        tasks = [task for task in self.tasks_to_store(bundle) if task not in early]
        return sum(float(self.workload.packing[task]) for task in tasks)

    def in_memory(self, bundle):
        """What takes long to unpickle, and an earlier bundle of the slot has taken already."""
        if self.slot[bundle] == -1:
            return set()
        mine, first, again = self.companions(bundle), {}, set()
        for one in sorted(mine):
            for task in sorted(self.needs[one]):
                if self.bundle_of[task] in mine or self.workload.unpacking[task] < 0.0005:
                    continue
                again |= {task} & first.keys()
                first.setdefault(task, one)
        kept, room = set(), 128 << 20
        for task, taker in first.items():
            room -= self.size(task) if task in again else 0.0
            if task in again and room >= 0 and taker < bundle:
                kept.add(task)
        return kept

    def run(self):
        self.events = []  # (time, rank, what happens)
        self.arrived = defaultdict(set)
        self.begun, self.fetched, self.finished, self.ready = {}, {}, {}, {}
        self.container, self.made = {}, []
        self.invoked, self.alive, self.ended, self.cold = [], [], [], []
        self.size_of = []
        self.idle = defaultdict(list)
        for memory, count in self.platform.warm:
            self.idle[memory] += [0.0] * count
        self.queue, self.waits = [], {}
        self.held = defaultdict(list)  # container → bundles, the oldest first
        self.until, self.stored_aside = {}, defaultdict(float)
        self.latest = defaultdict(lambda: -1)  # container → what it took from the queue last
        self.moved = 0.0
        self.prewarm(-1, 0.0)
        followers = set(self.after.values())
        self.heads = [bundle for bundle in self.bundles if bundle not in followers]
        self.queue = [bundle for bundle in self.heads if not self.parents[bundle]]
        self.invoke(0.0)
        while self.events:
            event = min(self.events, key=lambda one: one[:2])
            self.events.remove(event)
            event[2](event[0])
        if len(self.finished) < len(self.bundles):
            raise Stuck
        return self

    def at(self, time, rank, action):
        self.events.append((time, rank, action))

    def prewarm(self, trigger, now):
        for note in self.notes(StartContainers):
            if note.trigger == trigger:
                warm = now + note.delay_seconds + self.workload.cold_start(note.memory_mb)
                self.at(
                    warm, -1, lambda t, n=note: self.idle[n.memory_mb].extend([t] * n.containers)
                )

    def invoke(self, now):
        while (
            self.queue and len(self.invoked) - sum(e is not None for e in self.ended) < self.places
        ):
            bundle = self.first_of_a_container()
            self.queue.remove(bundle)
            self.latest[len(self.made)] = bundle
            memory = self.memory[bundle]
            warm = [t for t in self.idle[memory] if now - t < self.platform.idle_seconds]
            if warm:
                self.idle[memory].remove(max(warm))
            start = self.workload.warm_start if warm else self.workload.cold_start
            self.invoked.append(now)
            self.alive.append(now + start(memory))
            self.cold.append(not warm)
            self.ended.append(None)
            self.size_of.append(memory)
            self.made.append(set())
            self.begin(bundle, len(self.made) - 1, self.alive[-1])

    def begin(self, bundle, container, now):
        self.begun[bundle], self.container[bundle] = now, container
        others = self.needs[bundle] - self.in_memory(bundle)
        missing = [t for t in others if self.bundle_of[t] not in self.made[container]]
        copied = [copy.task for copy in self.copies if copy.bundle == bundle]
        tasks = self.tasks_of(bundle) + copied
        constants = sum(int(self.workload.dag.constant_bytes[task]) for task in tasks)
        self.moved += constants + sum(map(self.size, missing))
        early = {t for n in self.notes(PreloadInputs) if n.bundle == bundle for t in n.tasks} & set(
            missing
        )
        clock = self.alive[container]
        producers = {self.bundle_of[task] for task in early}
        for producer in sorted(producers, key=lambda p: (self.finished[p], p)):
            size = sum(self.size(task) for task in early if self.bundle_of[task] == producer)
            clock = max(clock, self.finished[producer])
            clock += self.workload.download.at(size) if size else 0.0
        coming = self.coming_to(bundle, set(missing) - early)
        streamed = self.streamed_until(coming, self.alive[container])
        ahead = early | coming
        rest = constants + sum(self.size(task) for task in missing if task not in ahead)
        started = max(now, *([clock] if early else []), *([streamed] if coming else []), 0.0)
        self.fetched[bundle] = started + (self.workload.download.at(rest) if rest else 0.0)
        self.fetched[bundle] += sum(float(self.workload.unpacking[task]) for task in missing)
        self.made[container].add(bundle)
        self.prewarm(bundle, now)
        computed = self.fetched[bundle] + self.exec_seconds(bundle)
        if bundle in self.holds or self.held[container]:
            self.at(computed, 2 * bundle, lambda t: self.computed(bundle, t))
        else:
            self.store(bundle, computed)

    def first_of_a_container(self):
        order = sorted(self.queue, key=lambda b: (self.slot[b] != -1, b))
        at_work = len(self.invoked) - sum(e is not None for e in self.ended)
        spread = self.plan_holds and set(self.slot) == {-1} and len(set(self.memory)) == 1
        return order[int(0.6180339887 * at_work % 1 * len(order)) if spread else 0]

    def coming_to(self, bundle, missing):
        asked = {t for n in self.notes(StreamInputs) if n.bundle == bundle for t in n.tasks}
        return {task for task in asked & missing if self.size(task) > 1 << 20}

    def lead(self, wanted):
        """How long before the last task of its bundle is done it is that its output leaves."""
        bundle, upload, sent, begun = self.bundle_of[wanted], self.workload.upload, 0.0, {}
        tasks, stored = self.tasks_of(bundle), self.tasks_to_store(bundle)
        seconds = self.workload.seconds(self.memory[bundle])
        clock = self.exec_seconds(bundle) - sum(float(seconds[task]) for task in tasks)
        early = {t for n in self.notes(StreamOutputs) if n.bundle == bundle for t in n.tasks}
        for task in tasks:
            clock += float(seconds[task])
            if task in stored and task in early:
                begun[task] = sent = max(sent, clock)
                sent += upload.at(self.size(task)) if self.size(task) else 0.0
        return max(clock - begun.get(wanted, clock), 0.0)

    def streamed_until(self, coming, clock):
        download = self.workload.download
        producers = {self.bundle_of[task] for task in coming}
        for producer in sorted(producers, key=lambda p: (self.finished[p], p)):
            sizes = [self.size(task) for task in coming if self.bundle_of[task] == producer]
            lead = max(self.lead(task) for task in coming if self.bundle_of[task] == producer)
            clock = max(clock, self.finished[producer] - self.store_seconds(producer) - lead)
            stored = self.finished[producer] - self.platform.publish_seconds
            last = max(max(1 << 20, size / 16) for size in sizes)
            clock = max(clock + download.at(sum(sizes)), stored + download.at(last))
        return clock

    def store(self, bundle, now):
        self.moved += self.bytes_to_store(bundle)
        self.call([bundle], now, self.store_seconds(bundle), self.finish)

    def kept_bytes(self, bundle):
        child, _ = self.holds[bundle]
        return self.bytes_to_store(bundle) - self.bytes_to_store(bundle, except_for=child)

    def call(self, bundles, now, seconds, then):
        for bundle in bundles:
            self.finished[bundle] = now + seconds
        self.at(now + seconds, 2 * bundles[0] + 1, lambda t: then(bundles, t))

    def seconds_of(self, size):
        self.moved += size
        return (self.workload.upload.at(size) if size else 0.0) + self.platform.publish_seconds

    def computed(self, bundle, now):
        container = self.container[bundle]
        now = max(now, self.stored_aside[container])
        if bundle not in self.holds:
            self.moved += self.bytes_to_store(bundle)
            return self.call([bundle], now, self.store_seconds(bundle), self.answered)
        child, wait = self.holds[bundle]
        self.held[container].append(bundle)
        self.until[bundle] = now + wait
        rest = self.bytes_to_store(bundle, except_for=child)
        self.call([bundle], now, self.seconds_of(rest), self.answered)

    def answered(self, bundles, now):
        """To a container that holds something back, at least when it called."""
        (bundle,) = bundles
        container = self.container[bundle]
        held = self.held[container]
        if not held:  # the thread has stored it meanwhile
            return self.finish(bundles, now)
        done = [] if bundle in held else [bundle]
        fan_in = None if bundle in self.after else self.complete(held, done)
        if fan_in is not None:
            lenders = [one for one in held if self.holds[one][0] == fan_in]
            self.held[container] = [one for one in held if one not in lenders]
            for one in lenders:
                self.finished[one] = now
            self.finish(done + lenders, now, goes_on=fan_in, container=container, cause=bundle)
        else:
            self.finish(done, now, container=container, cause=bundle)
        if bundle in self.held[container]:
            self.at(self.until[bundle], 2 * bundle, lambda t: self.overdue(bundle, t))

    def complete(self, held, done):
        for one in reversed(held):
            child, _ = self.holds[one]
            mine = {other for other in held if self.holds[other][0] == child}
            if self.parents[child] - self.arrived[child] - set(done) == mine:
                return child
        return None

    def overdue(self, bundle, now):
        if bundle in self.held[self.container[bundle]]:
            self.store_aside(bundle, now)

    def store_aside(self, bundle, now):
        container = self.container[bundle]
        self.held[container].remove(bundle)
        now = max(now, self.stored_aside[container])
        seconds = self.pack_seconds(bundle) + self.seconds_of(self.kept_bytes(bundle))
        self.call([bundle], now, seconds, self.given_aside)
        self.stored_aside[container] = self.finished[bundle]

    def given_aside(self, bundles, now):
        self.hand_out(self.announce(bundles, now), None, now)
        self.invoke(now)

    def announce(self, bundles, now):
        made_ready = []
        for bundle in bundles:
            for child in self.bundles:
                if bundle in self.parents[child]:
                    self.arrived[child].add(bundle)
                    if self.parents[child] == self.arrived[child]:
                        self.ready[child] = now
                        made_ready.append(child)
        return made_ready

    def hand_out(self, made_ready, following, now):
        for child in made_ready:
            if child in self.waits:
                self.begin(child, self.waits.pop(child), now)
            elif child in self.heads and child != following:
                self.queue.append(child)

    def finish(self, bundles, now, goes_on=None, container=None, cause=None):
        cause = bundles[0] if cause is None else cause
        container = self.container[cause] if container is None else container
        memory = self.memory[cause]
        made_ready = self.announce(bundles, now)
        mine = [c for c in made_ready if c in self.heads and self.slot[c] == -1]
        mine = [c for c in mine if self.memory[c] == memory]
        held = self.held[container]
        patient = all(self.until[one] > now for one in held)
        following = self.after.get(cause) if goes_on is None else goes_on
        if following is None and mine and patient:
            following = mine[0]
        if following is None:
            pass  # until it is known what else is ready
        elif self.parents[following] <= self.arrived[following]:
            self.begin(following, container, now)
        else:
            self.waits[following] = container
            for one in list(held):
                self.store_aside(one, now)
        self.hand_out(made_ready, following, now)
        if following is None:
            self.take_or_end(container, memory, now, patient)
        self.invoke(now)

    def take_or_end(self, container, memory, now, patient):
        order = sorted(self.queue, key=lambda b: (self.slot[b] != -1, b))
        fits = [b for b in order[:1] if self.slot[b] == -1 and self.memory[b] == memory]
        held = self.held[container]
        if held:
            fits = self.meanwhile(container, memory, held) + fits if patient else []
        if fits:
            self.queue.remove(fits[0])
            self.latest[container] = fits[0]
            self.begin(fits[0], container, now)
        elif held:
            self.held[container] = []
            now = max(now, self.stored_aside[container])
            size = sum(map(self.kept_bytes, held))
            packing = sum(map(self.pack_seconds, held))
            self.call(held, now, packing + self.seconds_of(size), self.finish)
        else:
            self.ended[container] = now
            self.idle[self.size_of[container]].append(now)

    def meanwhile(self, container, memory, held):
        """Bundles that it had rather take while it holds something back."""
        mine = [b for b in self.queue if self.slot[b] == -1 and self.memory[b] == memory]
        partners = [b for one in reversed(held) for b in sorted(self.parents[self.holds[one][0]])]
        after = self.latest[container]
        neighbours = range(after + 1, after + 65)
        return [b for b in (*partners, *neighbours) if b in mine]

    @property
    def makespan(self):
        return max(self.finished.values(), default=0.0)

    @property
    def gb_seconds(self):
        spans = zip(self.invoked, self.ended, self.size_of, strict=True)
        used = sum((end - start) * size / 1024 for start, end, size in spans)
        return used + sum(
            note.containers * note.memory_mb / 1024 * self.workload.cold_start(note.memory_mb)
            for note in self.notes(StartContainers)
        )
