"""Near: a world whose containers keep outputs in memory for what they run next, as a plan asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dask_serverless.coordination.base import Answer, Report
from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.near_facts import NearFacts
from dask_serverless.simulation.world import Container, World
from dask_serverless.worker import machine as m
from dask_serverless.worker.handover import Handover


@dataclass(eq=False)
class Kept:
    """A bundle that has run, with what it has to give; ``left`` is what it has not stored yet."""

    bundle: int
    claim: str
    left: dict[int, float]  # task → bytes
    handover: Handover | None = None
    reported: bool = False


@dataclass
class Desk:
    """What one container has in hand."""

    under_way: Kept | None = None
    held: dict[int, Kept] = field(default_factory=dict)  # by bundle; not done
    giving_until: float = 0.0  # while another bundle runs
    after: int = -1  # the last bundle that it took from the queue


@dataclass(frozen=True)
class Call:
    container: Container
    publish: m.Publish
    works: list[Kept]


class NearWorld(World):
    """The decisions are those of the worker's ``Handover``; what shells do around it is played."""

    facts: NearFacts

    def __init__(self, facts: NearFacts, model: BackendModel) -> None:
        super().__init__(facts, model)
        self.desks: dict[int, Desk] = {}

    def desk(self, container: Container) -> Desk:
        return self.desks.setdefault(container.number, Desk())

    # while tasks run, what is overdue is given

    def execute(self, container: Container, at: float) -> float:
        desk, bundle = self.desk(container), container.machine.bundle
        claim, outputs = container.machine.claim_held, self.facts.outputs_of(bundle)
        desk.under_way = Kept(bundle, claim, outputs)
        end = at + self.facts.running[bundle]
        for kept in desk.held.values():
            if kept.handover is not None and kept.handover.due < end:
                self.later(max(at, kept.handover.due), self.give, (container, kept))
        self.later(end, self.ran, container)
        return end

    def ran(self, container: Container) -> None:
        self.tell(container, m.Ran(), max(self.now, self.desk(container).giving_until))

    def give(self, what: tuple[Container, Kept]) -> None:
        container, kept = what
        desk = self.desk(container)
        if desk.held.pop(kept.bundle, None) is None:
            return
        stored = self.put(kept, None, max(self.now, desk.giving_until))
        desk.giving_until = stored + self.model.store_rtt + self.model.store_service
        self.later(stored + self.half_trip, self.given, (container, kept))

    def given(self, what: tuple[Container, Kept]) -> None:
        container, kept = what
        self.serve_container()
        answer = self.run.publish(container.name, self.report(kept), "")
        self.finished[kept.bundle] = self.now
        if answer.invitations:
            at = self.now + self.half_trip + self.model.invocation
            self.later(at, self.invited, answer.invitations)

    # calls

    def claim(self, call: tuple[Container, m.Claim]) -> None:
        super().claim(call)
        container, _ = call
        self.desk(container).after = container.machine.bundle

    def ask(self, container: Container, publish: m.Publish, at: float) -> None:
        desk = self.desk(container)
        first = desk.held.get(publish.bundle) or desk.under_way
        assert first is not None
        works = [first, *(desk.held[one] for one, _ in publish.held if one in desk.held)]
        until = None if publish.store else at
        for kept in works:
            at = self.put(kept, until, at)
        self.later(at + self.half_trip, self.announce, Call(container, publish, works))

    def put(self, kept: Kept, now: float | None, at: float) -> float:
        """When what has to be stored by now is stored, from ``at`` on; the rest waits."""
        facts = self.facts
        if now is not None and not kept.reported:
            large = {t: int(size) for t, size in kept.left.items() if facts.may_wait(t, size)}
            if large:
                storing = self.model.upload_line.per_byte * sum(large.values())
                wait = storing if facts.running[kept.bundle] < storing else 0.0
                kept.handover = Handover(facts.spec(kept.bundle), large, now, storing_seconds=wait)
        kept.reported = True
        if kept.handover is not None:
            kept.handover.look(now)
        keeps = kept.handover.keeps if kept.handover is not None else lambda _: False
        return self.store_outputs(kept, [task for task in kept.left if not keeps(task)], at)

    def store_outputs(self, kept: Kept, tasks: Sequence[int], at: float) -> float:
        """When they are stored, in one go from ``at`` on."""
        size = sum([kept.left.pop(task) for task in tasks])
        self.bytes_up += size
        if not size:
            return at
        return at + float(self.facts.packing[tasks].sum()) + self.model.upload_line.at(size)

    def report(self, kept: Kept) -> Report:
        report = self.facts.report(kept.bundle, kept.claim)
        return report if kept.handover is None else kept.handover.told(report)

    def announce(self, call: Call) -> None:
        container, desk = call.container, self.desk(call.container)
        self.serve_container()
        first, *held = [self.report(kept) for kept in call.works]
        near = [kept.handover for kept in call.works if kept.handover and kept.handover.near]
        beside = [bundle for handover in near for bundle in handover.beside]
        answer = self.run.publish(
            container.name,
            replace(first, beside=beside, after=desk.after),
            call.publish.following,
            held=held,
        )
        self.note_answer(call, desk, answer)
        self.tell(container, m.Answered(answer), self.now + self.half_trip)

    def note_answer(self, call: Call, desk: Desk, answer: Answer) -> None:
        given = answer.assignment.bundle if answer.assignment is not None else -1
        if given >= 0 and not any(
            given in kept.handover.near for kept in call.works if kept.handover
        ):
            desk.after = given
        for kept in call.works:
            if kept.handover is not None:
                kept.handover.announced(given)
            if kept.bundle not in answer.held:
                self.finished[kept.bundle] = self.now
        named = {kept.bundle: kept for kept in call.works}
        desk.held = {bundle: named[bundle] for bundle in answer.held}
