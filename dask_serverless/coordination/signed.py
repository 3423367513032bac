"""Signed: any coordination over a store that others may write to.

What a party will unpickle, import or take for a reference is signed when it goes out and checked
when it comes in. What containers are given with a claim is not refused at once: the claim is theirs
by then, and they end the run with the reason instead of leaving it to the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgpack

from dask_serverless.blobs.base import Command
from dask_serverless.coordination.base import (
    LOCAL,
    Answer,
    Assignment,
    Condition,
    Coordination,
    Division,
    Event,
    News,
    Remains,
    Report,
    Room,
    Story,
    Submission,
    What,
    inputs_named,
)
from dask_serverless.coordination.changed import changed
from dask_serverless.coordination.moving import Move
from dask_serverless.coordination.parts import Told
from dask_serverless.coordination.resizing import Resize
from dask_serverless.coordination.splitting import Split
from dask_serverless.coordination.untold import Dead, Untold
from dask_serverless.errors import NotAuthentic
from dask_serverless.signing.signatures import (
    BLOB,
    EVENT,
    FAILURE,
    HEADER,
    OUTPUT,
    SPEC,
    Signatures,
)

# What scripts say of a run that they end, who know no key: words and numbers, never a pickle.
BY_SCRIPTS = (b"\x94\xa4lost", b"\x93\xa7damaged")
# What they note of changes to the plan and of containers that are gone, likewise.
NOTES: dict[What, Callable[[bytes], object]] = {
    What.MOVED: Move.unpack,
    What.SPLIT: Split.unpack,
    What.RESIZED: Resize.unpack,
    What.UNTOLD: Untold.unpack,
}


class SignedCoordination:
    def __init__(self, inner: Coordination, signatures: Signatures) -> None:
        self.inner = inner
        self.signatures = signatures
        self.run = inner.run
        self.epoch = inner.epoch
        self.released: dict[bytes, bytes] = {}  # reference → as the store has it

    @property
    def calls(self) -> int:
        return self.inner.calls

    # by the client

    def submit(
        self,
        submission: Submission,
        before: Iterable[Command] = (),
        wait_seconds: float = 0.0,
        tasks: Sequence[int] = (),
    ) -> Story | None:
        signed = self.signatures.signed
        submission = changed(
            submission,
            header=signed(HEADER, "of", submission.header),
            specs=[signed(SPEC, bundle, spec) for bundle, spec in enumerate(submission.specs)],
            blobs=[signed(BLOB, "of the client", reference) for reference in submission.blobs],
        )
        story = self.inner.submit(submission, before, wait_seconds, tasks)
        return None if story is None else self.story_of(story, tasks)

    def sweep(
        self,
        gone: Sequence[Dead],
        live_seconds: int,
        wait_seconds: float = 0.0,
        outgrown: Sequence[str] = (),
    ) -> Condition:
        condition = self.inner.sweep(gone, live_seconds, wait_seconds, outgrown)
        if not condition.error:
            return condition
        return changed(condition, error=self.failure(condition.error))

    def news(
        self, last: str, wait_seconds: float, rest_seconds: float = 0.0, last_said: str = ""
    ) -> News:
        news = self.inner.news(last, wait_seconds, rest_seconds, last_said)
        return changed(news, events=[self.event(event) for event in news.events])

    def story(self, tasks: Sequence[int]) -> Story:
        return self.story_of(self.inner.story(tasks), tasks)

    def story_of(self, story: Story, tasks: Sequence[int]) -> Story:
        events = [self.event(event) for event in story.events]
        return Story(events, self.checked(tasks, story.outputs) if story.outputs else ())

    def event(self, event: Event) -> Event:
        if event.what is What.FAILED:
            return changed(event, payload=self.failure(event.payload))
        if event.what in NOTES:
            return self.told_by_script(event, NOTES[event.what])
        return changed(event, payload=self.signatures.opened_any((EVENT,), event.payload))

    def told_by_script(self, event: Event, unpack: Callable[[bytes], object]) -> Event:
        """For people to read; scripts know no key."""
        try:
            unpack(event.payload)
        except (ValueError, msgpack.UnpackException) as error:
            problem = "is nothing that one says"
            raise NotAuthentic("what a script tells", self.run, problem) from error
        return event

    def failure(self, packed: bytes) -> bytes:
        if packed.startswith(BY_SCRIPTS):
            return packed
        return self.signatures.opened_any((FAILURE,), packed)

    def probe(self) -> None:
        self.inner.probe()

    def header(self) -> bytes:
        packed = self.inner.header()
        return self.signatures.opened(HEADER, "of", packed) if packed else b""

    def references(self) -> list[bytes]:
        return list(self.ours(self.inner.references()))

    def ours(self, references: Iterable[bytes]) -> Iterator[bytes]:
        """What somebody else has put among them is no blob of this run: it is not to be touched."""
        for reference in references:
            try:
                yield self.signatures.opened_any((OUTPUT, BLOB), reference)
            except NotAuthentic:
                continue

    def outputs(self, tasks: Sequence[int]) -> list[bytes | None]:
        return self.checked(tasks, self.inner.outputs(tasks))

    def checked(
        self, tasks: Sequence[int], references: Sequence[bytes | None]
    ) -> list[bytes | None]:
        """Each is the reference of its own task's output, or says that some container had it."""
        return [
            self.signatures.opened(OUTPUT, task, reference)
            if reference and reference[:1] != LOCAL
            else reference
            for task, reference in zip(tasks, references, strict=True)
        ]

    def parts(self, last: str, wait_seconds: float) -> Told:
        """Not signed: what is fetched by it counts only where an output is announced that is."""
        return self.inner.parts(last, wait_seconds)

    def write(self, before: Sequence[Command]) -> None:
        self.inner.write(before)

    def withdraw(self) -> None:
        self.inner.withdraw()

    def interrupt(self) -> None:
        self.inner.interrupt()

    def forget(self) -> None:
        self.inner.forget()

    def close(self) -> Remains:
        remains = self.inner.close()
        if not remains.references:
            return remains
        return changed(remains, references=list(self.ours(remains.references)))

    # by containers

    def claim(
        self,
        container: str,
        claim: str,
        *,
        slot: int | None = None,
        invited: bool = False,
        cold: bool = False,
        header: bool = False,
        early_seconds: float = 0.0,
        memory_mb: int = 0,
        wanted_mb: int = 0,
    ) -> Answer:
        answer = self.inner.claim(
            container, claim,
            slot=slot, invited=invited, cold=cold, header=header, early_seconds=early_seconds,
            memory_mb=memory_mb, wanted_mb=wanted_mb,
        )  # fmt: skip
        return self.answer(answer)

    def publish(
        self,
        container: str,
        report: Report,
        following: str,
        before: Iterable[Command] = (),
        held: Sequence[Report] = (),
    ) -> Answer:
        signed = [self.report(each) for each in held]
        answer = self.inner.publish(container, self.report(report), following, before, signed)
        return self.answer(answer)

    def report(self, report: Report) -> Report:
        sign, claim, told = self.signatures.signed, report.claim, list(report.outputs)
        for place in range(1, len(told), 2):
            told[place] = sign(OUTPUT, told[place - 1], told[place], claim)  # type: ignore[arg-type]
        return changed(
            report,
            outputs=told,
            event=sign(EVENT, report.bundle, report.event, claim),
            deleted=[self.released.pop(each, each) for each in report.deleted],
        )

    def answer(self, answer: Answer) -> Answer:
        assignment, header = answer.assignment, answer.header
        if assignment is None and not header and not answer.released:
            return answer
        try:
            header = self.signatures.opened(HEADER, "of", header) if header else b""
            assignment = None if assignment is None else self.assignment(assignment)
        except NotAuthentic as refused:
            header = b""
            if assignment is not None:
                assignment = Assignment(assignment.bundle, b"", (), refused=refused)
        if not answer.released:
            return changed(answer, assignment=assignment, header=header)
        released = {reference: each for each in answer.released for reference in self.ours([each])}
        self.released.update(released)
        return changed(answer, assignment=assignment, header=header, released=list(released))

    def assignment(self, assignment: Assignment) -> Assignment:
        spec = self.signatures.opened(SPEC, assignment.bundle, assignment.spec)
        inputs = self.checked(inputs_named(spec), assignment.inputs)
        makers = [self.assignment(each) for each in assignment.makers]
        return Assignment(assignment.bundle, spec, inputs, makers)

    def fail(
        self,
        container: str,
        bundle: int,
        claim: str,
        error: bytes,
        before: Iterable[Command] = (),
    ) -> Answer:
        signed = self.signatures.signed(FAILURE, bundle, error, claim)
        return self.inner.fail(container, bundle, claim, signed, before)

    def renew(self, container: str, bundle: int, claim: str, tight: str = "") -> Answer:
        return self.inner.renew(container, bundle, claim, tight)

    def split(
        self, container: str, bundle: int, claim: str, division: Division | None = None
    ) -> Room:
        if division is not None:
            sign, parts = self.signatures.signed, enumerate(division.parts, division.first)
            division = changed(
                division,
                kept=sign(SPEC, bundle, division.kept),
                parts=[sign(SPEC, number, part) for number, part in parts],
            )
        return self.inner.split(container, bundle, claim, division)

    def tell(self, bundle: int, claim: str, progress: bytes) -> Answer:
        signed = self.signatures.signed(EVENT, bundle, progress, claim)
        return self.inner.tell(bundle, claim, signed)

    def show(self, batch: bytes) -> None:
        self.inner.show(batch)

    def say(self, batch: bytes) -> None:
        self.inner.say(batch)
