"""Encoding: a translation and its plan become the bytes that the store holds of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from dask_serverless.blobs.base import Command
from dask_serverless.blobs.blobs import INLINE, Blobs
from dask_serverless.coordination.parts import begun
from dask_serverless.translation.asked import ahead_of, holds_back, near_of, starts_of
from dask_serverless.translation.constants import Constants
from dask_serverless.translation.edges import Edges
from dask_serverless.translation.lasting import lasting_of
from dask_serverless.translation.sized import sized
from dask_serverless.translation.streams import Streams
from dask_serverless.translation.translate import Translation
from dask_serverless.worker.bundle import (
    BundleSpec,
    Limit,
    Start,
    Step,
    encode,
    pack_children,
    pack_releases,
)
from dask_serverless.worker.retrying import ALL_OTHERS
from planners.plans.annotations import SUBMISSION, StreamInputs
from planners.plans.bundles import Bundles
from planners.plans.plan import Plan

NO_LIMITS: Mapping[int, Limit] = {}


@dataclass
class Encoded:
    """What there is to store before the first container is invoked."""

    specs: list[bytes]
    ready: list[tuple[int, int]]  # bundles without inputs, with their slots
    slotted: bool  # whether any bundle has a slot
    functions: bytes  # a reference
    commands: list[Command]  # blobs that are still to be sent
    blobs: list[bytes]  # references that go with the run
    starts: tuple[Start, ...]
    spread: bool  # whether containers begin far from each other


def encode_run(
    translation: Translation,
    plan: Plan,
    bundles: Bundles,
    blobs: Blobs,
    run: str,
    sizes_mb: Sequence[int] = (),  # of containers' memory, smallest first, if there are several
    limits: Mapping[int, Limit] = NO_LIMITS,  # of bundles that may be divided while they run
) -> Encoded:
    plan = sized(plan, sizes_mb)
    constants = Constants(translation, blobs, run)
    functions = constants.functions()
    starts = starts_of(plan, sizes_mb)
    parts = bundle_specs(translation, plan, bundles, constants, starts, limits)
    specs = [encode(spec) for spec in parts]
    roots = bundles.roots
    ready = list(zip(roots.tolist(), plan.slots[roots].tolist(), strict=True))
    constants.keep_apart(specs)
    if any(isinstance(note, StreamInputs) for note in plan.annotations):
        constants.commands += begun(run)
    references = (functions, *constants.by_content.values(), *constants.specs)
    blobs_of_run = [r for r in references if r[:1] != INLINE]
    slotted = bool((plan.slots >= 0).any())
    return Encoded(
        specs, ready, slotted, functions, constants.commands, blobs_of_run,
        starts.get(SUBMISSION, ()), holds_back(plan),
    )  # fmt: skip


def bundle_specs(
    translation: Translation,
    plan: Plan,
    bundles: Bundles,
    constants: Constants,
    starts: Mapping[int, tuple[Start, ...]],
    limits: Mapping[int, Limit],
) -> Iterator[BundleSpec]:
    """The specs, bundle by bundle; all arrays become lists once, since items of lists are cheap."""
    constants_of = translation.constants_of
    tasks, offsets = bundles.tasks.tolist(), bundles.task_offsets.tolist()
    edges = Edges(translation.dag, plan, bundles)
    stored, wanted = bundles.stored.tolist(), translation.dag.wanted.tolist()
    slots, copies = plan.slots.tolist(), bundles.copies
    ahead, near, streams = ahead_of(plan), near_of(plan), Streams.of_plan(plan)
    holds, retries = holds_back(plan), translation.retries
    lasting = lasting_of(plan, bundles)
    for bundle, slot in enumerate(slots):
        mine = tasks[offsets[bundle] : offsets[bundle + 1]]
        run = sorted([*mine, *copies[bundle]]) if bundle in copies else mine
        names = set(chain.from_iterable([constants_of[t] for t in run if t in constants_of]))
        plain, pickled, hoisted = constants.of(names)
        inputs = edges.inputs(bundle)
        yield BundleSpec(
            slot=slot,
            inputs=tuple(inputs),
            program=program(translation, run),
            constants=plain,
            pickled=pickled,
            hoisted=hoisted,
            stored=tuple([task for task in mine if stored[task]]),
            wanted=tuple([task for task in mine if wanted[task]]),
            children=pack_children(edges.children(bundle)),
            releases=pack_releases([(t, edges.uses[t]) for t in inputs if not wanted[t]]),
            starts=starts.get(bundle, ()),
            ahead=ahead.get(bundle, ()),
            given=edges.given(bundle),
            near=near.get(bundle),
            beside=edges.beside(bundle) if holds else None,
            retries=among(run, retries) if retries else None,
            limit=limits.get(bundle) if limits else None,
            lasting=lasting.get(bundle, ()),
            **streams.of(bundle),
        )


def among(tasks: list[int], retries: Mapping[int, int]) -> dict[int, int] | None:
    """Those of a bundle's tasks, and of all others, that may be tried again; None: none may."""
    found = {task: retries[task] for task in (*tasks, ALL_OTHERS) if task in retries}
    return found if any(found.values()) else None


def program(translation: Translation, tasks: list[int]) -> list[Step]:
    steps, first = translation.steps, translation.first_steps
    if first is None:
        return [steps[task] for task in tasks]
    return [step for task in tasks for step in steps[first[task] : first[task + 1]]]
