"""Dividing: specs for parts of a bundle, which together take and give what the bundle does.

An input that several parts take is released by the last of them. How many bundles take it stands in
the specs of all of these, which are out: so the count of those that are through starts lower. Where
only this bundle takes it, nobody else has that number, and parts have another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import msgpack

from dask_serverless.coordination.sizes import of_size, size_of
from dask_serverless.worker.bundle import BundleSpec, Limit
from dask_serverless.worker.handover import takers_of
from dask_serverless.worker.pieces import Piece, taken_by


@dataclass(frozen=True)
class Divided:
    """The part that stays comes first."""

    specs: Sequence[BundleSpec]
    uses: Sequence[int]  # task, how many more bundles take its output than before, …


def divided(
    spec: BundleSpec, bundle: int, groups: Sequence[Sequence[Piece]], limit: Limit
) -> Divided:
    """``groups`` of its pieces are the parts; those of others may run until their ``limit``."""
    programs = [list(chain.from_iterable(group)) for group in groups]
    takes = [taken_by(program) for program in programs]
    takers = Counter(name for names in takes for name in names)
    before = pairs_of(spec.releases)
    uses = {task: takers[task] if of == 1 else of for task, of in before.items()}
    more = {task: takers[task] - 1 for task, of in before.items() if 1 < of and 1 < takers[task]}
    whole = bundle if spec.whole is None else spec.whole
    first, *others = [
        part_of(replace(spec, whole=whole), program, names, uses)
        for program, names in zip(programs, takes, strict=True)
    ]
    specs = [first, *[elsewhere(other, limit) for other in others]]
    return Divided(specs, [number for pair in more.items() for number in pair])


def part_of(
    spec: BundleSpec, program: list[Any], names: set[int], uses: dict[int, int]
) -> BundleSpec:
    made = {step[0] for step in program}
    inputs = tuple([task for task in spec.inputs if task in names])
    rows, given = children_of(spec, made)
    return replace(
        spec,
        inputs=inputs,
        program=program,
        constants={name: spec.constants[name] for name in spec.constants if name in names},
        pickled={name: spec.pickled[name] for name in spec.pickled if name in names},
        hoisted={name: spec.hoisted[name] for name in spec.hoisted if name in names},
        stored=tuple([task for task in spec.stored if task in made]),
        wanted=tuple([task for task in spec.wanted if task in made]),
        children=bytes(msgpack.packb(rows)),
        releases=bytes(msgpack.packb(list(released(inputs, uses)))),
        given=given if len(set(given)) > 1 else (),
        near=spec.near and (),  # it was the only one that feeds a child; now several do
        streamed=tuple([task for task in spec.streamed if task in made]),
        early=tuple([task for task in spec.early if task in made]),
    )


def elsewhere(spec: BundleSpec, limit: Limit) -> BundleSpec:
    """For any container; what the plan had for that of the slot stays there. Nothing of it stays in
    memory: what makes such an output again is run in the order of bundles, and parts come last.
    """
    return replace(
        spec,
        slot=of_size(-1, size_of(spec.slot)),
        near=(),
        starts=(),
        ahead=(),
        coming=(),
        limit=limit,
    )


def children_of(spec: BundleSpec, made: set[int]) -> tuple[list[list[int]], tuple[int, ...]]:
    """What of its edges begins in a part, with the outputs that they carry."""
    rows, given = [], []
    for taker in takers_of(spec):
        edges = [(bit, task) for bit, task in zip(taker.row[4:], taker.tasks, strict=True)]
        mine = [edge for edge in edges if edge[1] in made]
        if mine:
            rows.append([*taker.row[:4], *[bit for bit, _ in mine]])
            given += [task for _, task in mine]
    return rows, tuple(given)


def released(inputs: Sequence[int], uses: dict[int, int]) -> Iterator[int]:
    for task in inputs:
        if task in uses:
            yield task
            yield uses[task]


def pairs_of(releases: bytes) -> dict[int, int]:
    numbers = iter(msgpack.unpackb(releases))
    return dict(zip(numbers, numbers, strict=True))
