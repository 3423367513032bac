"""Encoding: a translation and its plan become the bytes that the store holds of a run."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import inf
from typing import Any

import numpy as np

from dask_serverless.blobs.base import Command
from dask_serverless.blobs.blobs import INLINE, Blobs
from dask_serverless.blobs.frames import framed, join, size
from dask_serverless.blobs.lock import StoreLock
from dask_serverless.coordination.parts import begun
from dask_serverless.coordination.sizes import size_for
from dask_serverless.errors import FutureInGraph, InputNotPicklable
from dask_serverless.translation.astray import is_future
from dask_serverless.translation.sized import sized
from dask_serverless.translation.streams import Streams, by_bundle_before
from dask_serverless.translation.translate import Translation
from dask_serverless.worker.bundle import (
    SPEC_BYTES,
    BundleSpec,
    Child,
    Limit,
    Near,
    Start,
    Step,
    apart,
    encode,
    pack_children,
    pack_releases,
)
from dask_serverless.worker.execute import owner
from dask_serverless.worker.names import function_name
from dask_serverless.worker.retrying import ALL_OTHERS
from dask_serverless.worker.table import FunctionFailed, pickle_table
from planners.graph.dag import Dag
from planners.plans.annotations import (
    SUBMISSION,
    CheckFanIn,
    HoldOutput,
    KeepChildren,
    PreloadInputs,
    StartContainers,
    StreamInputs,
)
from planners.plans.bundles import Bundles
from planners.plans.plan import Plan

HOIST_BYTES = 64 << 10  # a larger constant is stored once, and bundles refer to it
# Constants of exactly these types go into bundles as they are: small, and safe to pickle plainly.
SCALARS = {
    int, float, complex, bool, type(None), slice, type(Ellipsis), np.dtype,
    np.float64, np.float32, np.int64, np.int32, np.bool_, np.uint8, np.str_,
}  # fmt: skip
NO_LIMITS: Mapping[int, Limit] = {}
MOST_BESIDE = 16  # edges of a bundle's children
LOCK = type(threading.Lock())
CONTAINERS = {tuple, list, set, frozenset, dict}
LEVELS = 16  # of containers within containers: deeper ones are pickled, by themselves
LONG = 256  # characters, bytes or elements: longer ones are pickled, so that their size is known


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
            **streams.of(bundle),
        )


def among(tasks: list[int], retries: Mapping[int, int]) -> dict[int, int] | None:
    """Those of a bundle's tasks, and of all others, that may be tried again; None: none may."""
    found = {task: retries[task] for task in (*tasks, ALL_OTHERS) if task in retries}
    return found if any(found.values()) else None


def ahead_of(plan: Plan) -> dict[int, tuple[int, ...]]:
    """What to fetch for a later bundle, by the one that the same container runs before it."""
    notes = [note for note in plan.annotations if isinstance(note, PreloadInputs)]
    return by_bundle_before(plan, notes)


def starts_of(plan: Plan, sizes_mb: Sequence[int]) -> dict[int, tuple[Start, ...]]:
    """Which containers whoever begins a bundle asks for ahead of need."""
    starts: dict[int, tuple[Start, ...]] = {}
    for note in plan.annotations:
        if isinstance(note, StartContainers):
            memory = sizes_mb[size_for(note.memory_mb, sizes_mb)] if sizes_mb else 0
            more = (note.containers, note.delay_seconds, memory)
            starts[note.trigger] = (*starts.get(note.trigger, ()), more)
    return starts


def holds_back(plan: Plan) -> bool:
    """Whether containers hold outputs back for bundles that others make ready, too."""
    return any(isinstance(note, HoldOutput | CheckFanIn) for note in plan.annotations)


def near_of(plan: Plan) -> dict[int, tuple[Near, ...]]:
    """For which children each bundle keeps outputs in memory, where the plan says so."""
    near: dict[int, tuple[Near, ...]] = {}
    for note in plan.annotations:
        if isinstance(note, KeepChildren):
            near[note.bundle] = tuple([Near(child, inf) for child in note.children])
        elif isinstance(note, CheckFanIn):
            near.setdefault(note.bundle, (Near(note.child, 0.0),))
        elif isinstance(note, HoldOutput):
            near[note.bundle] = (Near(note.child, note.wait_seconds),)
    return near


def program(translation: Translation, tasks: list[int]) -> list[Step]:
    steps, first = translation.steps, translation.first_steps
    if first is None:
        return [steps[task] for task in tasks]
    return [step for task in tasks for step in steps[first[task] : first[task + 1]]]


class Edges:
    """Where each edge has its bit, and what each bundle takes and gives."""

    def __init__(self, dag: Dag, plan: Plan, bundles: Bundles) -> None:
        self.tasks = bundles.edge_tasks.tolist()
        if not self.tasks:
            return
        self.slots = plan.slots.tolist()
        self.input_offsets = bundles.input_offsets.tolist()
        self.output_offsets = bundles.output_offsets.tolist()
        self.consumers = bundles.edge_consumers.tolist()
        self.producers = bundles.edge_producers.tolist()
        self.output_edges = bundles.output_edges.tolist()
        widths = -(-np.diff(bundles.input_offsets) // 8)  # whole bytes
        self.first_bytes = np.concatenate(([0], np.cumsum(widths))).tolist()
        self.uses = np.bincount(bundles.edge_tasks, minlength=dag.tasks).tolist()

    def inputs(self, bundle: int) -> list[int]:
        if not self.tasks:
            return []
        return self.tasks[self.input_offsets[bundle] : self.input_offsets[bundle + 1]]

    def given(self, bundle: int) -> tuple[int, ...]:
        """The outputs of its edges, in the order of its children's bits; none where all are one."""
        if not self.tasks:
            return ()
        mine = self.output_edges[self.output_offsets[bundle] : self.output_offsets[bundle + 1]]
        tasks = tuple([self.tasks[edge] for edge in mine])
        return tasks if len(set(tasks)) > 1 else ()

    def beside(self, bundle: int) -> tuple[int, ...]:
        """Others that its children wait for, where these are few."""
        mine = self.output_edges[self.output_offsets[bundle] : self.output_offsets[bundle + 1]]
        children = {self.consumers[edge] for edge in mine}
        first, last = self.input_offsets[:-1], self.input_offsets[1:]
        edges = [edge for child in children for edge in range(first[child], last[child])]
        if len(edges) > MOST_BESIDE:
            return ()
        return tuple(sorted({self.producers[edge] for edge in edges} - {bundle}))

    def children(self, bundle: int) -> list[Child]:
        if not self.tasks:
            return []
        mine = self.output_edges[self.output_offsets[bundle] : self.output_offsets[bundle + 1]]
        bits: dict[int, list[int]] = {}
        for edge in mine:
            child = self.consumers[edge]
            bit = 8 * self.first_bytes[child] + edge - self.input_offsets[child]
            bits.setdefault(child, []).append(bit)
        return [
            Child(
                child,
                self.slots[child],
                self.first_bytes[child],
                self.input_offsets[child + 1] - self.input_offsets[child],
                theirs,
            )
            for child, theirs in bits.items()
        ]


@dataclass
class Constants:
    """Sorts constants: into each bundle as they are, pickled into each, or stored once."""

    translation: Translation
    blobs: Blobs
    run: str
    plain: set[int] = field(default_factory=set)
    pickled: dict[int, bytes] = field(default_factory=dict)
    hoisted: dict[int, bytes] = field(default_factory=dict)
    by_content: dict[bytes, bytes] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    specs: list[bytes] = field(default_factory=list)

    def keep_apart(self, specs: list[bytes]) -> None:
        """Put where blobs are what the store itself does not read of large specs."""
        for bundle, packed in enumerate(specs):
            if len(packed) > SPEC_BYTES:
                front, rest = apart(packed)
                stored = self.blobs.large.put(f"{self.run}/spec-{bundle}", join(rest, []))
                self.commands += stored.commands
                self.specs.append(stored.reference)
                specs[bundle] = front + stored.reference

    def of(self, names: set[int]) -> tuple[dict[int, Any], dict[int, bytes], dict[int, bytes]]:
        plain: dict[int, Any] = {}
        pickled: dict[int, bytes] = {}
        hoisted: dict[int, bytes] = {}
        values = self.translation.constants
        for name in names:
            value = values[name]
            if type(value) in SCALARS:  # most are
                plain[name] = value
                continue
            if name not in self.plain and name not in self.pickled and name not in self.hoisted:
                self.sort(name, value)
            if name in self.plain:
                plain[name] = value
            elif name in self.pickled:
                pickled[name] = self.pickled[name]
            else:
                hoisted[name] = self.hoisted[name]
        return plain, pickled, hoisted

    def sort(self, name: int, value: Any) -> None:
        if is_plain(value):
            self.plain.add(name)
            return
        if type(value) is LOCK:  # of da.store in older Dask: it must hold across containers
            value = StoreLock(f"{self.run}-{name}")
        try:
            frames = framed(value)
        except Exception as error:
            if is_future(getattr(value, "key", None)):  # Dask leaves alone the argument of a call
                raise FutureInGraph(value.key) from error
            raise InputNotPicklable(
                self.whose(name), f"{type(value).__name__}", str(error)
            ) from error
        if size(frames) <= HOIST_BYTES:
            self.pickled[name] = INLINE + b"".join(frames)
            return
        digest = hashlib.sha1(usedforsecurity=False)
        for frame in frames:
            digest.update(frame)
        content = digest.digest()
        if content not in self.by_content:
            place = f"{self.run}/constant-{content.hex()}"
            stored = self.blobs.put_frames(place, frames)
            self.by_content[content] = stored.reference
            self.commands += stored.commands
        self.hoisted[name] = self.by_content[content]

    def functions(self) -> bytes:
        """The table of functions, pickled in one go so that what they share is sent once."""
        try:
            table = pickle_table(self.translation.functions)
        except FunctionFailed as failed:
            raise self.not_picklable(failed) from failed.__cause__
        stored = self.blobs.put(f"{self.run}/functions", table)
        self.commands += stored.commands
        return stored.reference

    def not_picklable(self, failed: FunctionFailed) -> InputNotPicklable:
        name = function_name(self.translation.functions[failed.index])
        return InputNotPicklable(
            self.user_of(failed.index), f"function {name}", str(failed.__cause__)
        )

    def user_of(self, function: int) -> Any:
        """The key of the first task that calls a function, be it within a fused task."""
        translation = self.translation
        for place, step in enumerate(translation.steps):
            if step[1] == function:
                task = owner(translation.steps[place:], step[0])
                return translation.dag.labels[task]
        return None

    def whose(self, name: int) -> Any:
        """The key of the first task that uses a constant."""
        labels = self.translation.dag.labels
        for task, names in self.translation.constants_of.items():
            if name in names:
                return labels[task]
        return None


def is_plain(value: Any, levels: int = LEVELS) -> bool:
    kind = type(value)
    if kind in SCALARS:
        return True
    if kind is str or kind is bytes:
        return len(value) <= LONG
    if kind not in CONTAINERS or len(value) > LONG or not levels:
        return False
    if kind is dict and not all(is_plain(part, levels - 1) for part in value.values()):
        return False
    return all(is_plain(part, levels - 1) for part in value)
