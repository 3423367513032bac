"""Small graphs of bundles, each with one task of the same number, as the store gets to see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgpack
import pytest

from dask_serverless.coordination.base import ANSWER_MS, Assignment, Division, Report, Submission
from dask_serverless.coordination.resizing import Pace
from dask_serverless.coordination.sizes import of_size, size_of
from dask_serverless.worker.bundle import (
    NO_CHILDREN,
    BundleSpec,
    Child,
    decode,
    encode,
    pack_children,
    pack_releases,
)


@dataclass(frozen=True)
class Graph:
    """``inputs[b]`` are the bundles that b waits for; ``slots[b]`` is its slot, -1 for none.

    Where there are ``sizes`` of containers (MiB), slots say which of them a bundle needs.
    """

    inputs: Sequence[Sequence[int]]
    slots: Sequence[int] = ()
    sizes: Sequence[int] = ()
    specs: list[BundleSpec] = field(init=False)

    def __post_init__(self) -> None:
        specs = [self._spec(bundle) for bundle in range(len(self.inputs))]
        object.__setattr__(self, "specs", specs)

    def slot(self, bundle: int) -> int:
        if bundle >= len(self.inputs):
            return self.specs[bundle].slot
        return self.slots[bundle] if self.slots else -1

    def uses(self, bundle: int) -> int:
        return sum(bundle in inputs for inputs in self.inputs)

    @property
    def firsts(self) -> list[int]:
        """Where the edges of each bundle begin, in bytes."""
        firsts, position = [], 0
        for inputs in self.inputs:
            firsts.append(position)
            position += -(-len(inputs) // 8)
        return firsts

    def users(self, bundle: int) -> list[int]:
        return [child for child, inputs in enumerate(self.inputs) if bundle in inputs]

    def children(self, bundle: int, some: Sequence[int]) -> list[Child]:
        firsts = self.firsts
        return [
            Child(
                child,
                self.slot(child),
                firsts[child],
                len(self.inputs[child]),
                [8 * firsts[child] + self.inputs[child].index(bundle)],
            )
            for child in some
        ]

    def _spec(self, bundle: int) -> BundleSpec:
        children = self.children(bundle, self.users(bundle))
        return BundleSpec(
            slot=self.slot(bundle),
            inputs=tuple(self.inputs[bundle]),
            program=[],
            constants={},
            pickled={},
            hoisted={},
            stored=(bundle,),
            wanted=(),
            children=pack_children(children),
            releases=pack_releases([(task, self.uses(task)) for task in self.inputs[bundle]]),
        )

    def submission(
        self,
        *,
        epoch: str = "epoch",
        containers: int = 2,
        lease_ms: int = 60_000,
        attempts: int = 3,
        blobs: Sequence[bytes] = (),
        spread: bool = False,
        due: Sequence[int] = (),
        pace: Pace | None = None,
        invited: int = 0,
        answer_ms: int = ANSWER_MS,
    ) -> Submission:
        roots = [(b, self.slot(b)) for b, inputs in enumerate(self.inputs) if not inputs]
        return Submission(
            epoch=epoch,
            bundles=len(self.inputs),
            containers=containers,
            lease_ms=lease_ms,
            attempts=attempts,
            live_seconds=600,
            header=b"header",
            specs=[encode(spec) for spec in self.specs],
            blobs=list(blobs),
            ready=roots,
            slotted=any(slot >= 0 for slot in self.slots),
            spread=spread,
            due=due,
            sizes=self.sizes,
            pace=pace,
            invited=invited,
            answer_ms=answer_ms,
        )

    def report(
        self, bundle: int, claim: str, reference: bytes = b"", deleted: Sequence[bytes] = ()
    ) -> Report:
        spec = self.specs[bundle]
        output = reference or f"i{bundle}".encode()
        return Report(
            bundle, claim, [bundle, output], spec.children, spec.releases, b"event", list(deleted)
        )

    def near(
        self,
        bundle: int,
        claim: str,
        children: Sequence[int],
        *,
        reference: bytes = b"",
        before: Sequence[int] = (),
        patient: bool = False,
        beside: Sequence[int] = (),
        after: int = -1,
        deleted: Sequence[bytes] = (),
    ) -> Report:
        """What a container says that keeps the output in memory for these children; without a
        reference, that is the only place where it is. Children ``before`` have it already.
        """
        told = {*children, *before}
        others = [child for child in self.users(bundle) if child not in told]
        assert reference or not others
        local = [] if reference else [bundle]
        rows = [
            [c.bundle, c.slot, c.first_byte, c.edges, local, *c.bits]
            for c in self.children(bundle, children)
        ]
        return Report(
            bundle,
            claim,
            [bundle, reference] if reference else [],
            pack_children(self.children(bundle, others)),
            self.specs[bundle].releases,
            str(bundle).encode(),
            list(deleted),
            near=msgpack.packb(rows) if rows else b"",
            patient=patient,
            beside=beside,
            after=after,
        )

    def division(self, bundle: int, parts: int, first: int | None = None) -> Division:
        """Others get parts that take what the bundle takes; what it gives, it gives itself."""
        spec, number = self.specs[bundle], len(self.specs) if first is None else first
        before = dict(batched_pairs(msgpack.unpackb(spec.releases)))
        releases = [(task, parts + 1 if of == 1 else of) for task, of in before.items()]
        kept = replace(
            spec, releases=pack_releases(releases), whole=bundle, early=(*spec.early, number)
        )
        part = replace(kept, slot=of_size(-1, size_of(spec.slot)), children=NO_CHILDREN)
        return Division(
            encode(kept),
            [encode(replace(part, stored=(number + n,))) for n in range(parts)],
            number,
            [number for task, of in before.items() if of > 1 for number in (task, parts)],
        )

    def divided(self, bundle: int, division: Division) -> None:
        """From now on it is as the store has it."""
        self.specs[bundle] = read(division.kept)
        self.specs.extend(map(read, division.parts))


def batched_pairs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    values = iter(numbers)
    return zip(values, values, strict=True)


def read(spec: bytes) -> BundleSpec:
    """A spec that is not kept apart."""
    return decode(spec, lambda reference: pytest.fail(f"{reference!r} was asked for"))


def names(assignment: Assignment | None) -> int | None:
    """The bundle assigned, once its spec has proved to be that bundle's."""
    if assignment is None:
        return None
    assert read(assignment.spec).stored == (assignment.bundle,)
    return assignment.bundle


CHAIN = Graph([[], [0], [1]])
FORK = Graph([[], [0], [0]])
JOIN = Graph([[], [], [], [0, 1, 2]])


def begun(coordination, graph, **options):
    run = coordination()
    run.submit(graph.submission(**options))
    return run
