"""Which of a plan's annotations the engine carries out, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import Any, cast

from dask_serverless.client.ignored import tell
from dask_serverless.translation.repeatable import repeatable
from dask_serverless.translation.translate import Translation
from planners.graph.arrays import Flags
from planners.plans.annotations import (
    KINDS,
    CheckFanIn,
    Chosen,
    DuplicateTask,
    HoldOutput,
    JoinBundles,
    KeepChildren,
    LeftOut,
    PreloadInputs,
    StartContainers,
    StreamInputs,
    StreamOutputs,
)
from planners.plans.checked import CheckedPlanner
from planners.plans.plan import Plan, Planner

#: What each optimization that the setting ``optimizations`` may name asks of containers.
CARRIED_OUT: dict[str, tuple[type, ...]] = {
    "clustering": (JoinBundles, KeepChildren, CheckFanIn),
    "delayed_io": (HoldOutput,),
    "local_outputs": (),  # containers see for themselves
    "preload": (PreloadInputs,),
    "prewarm": (StartContainers,),
    "replanning": (),  # the store lets bundles go that are late
    "streaming": (StreamInputs, StreamOutputs),
    "task_dup": (DuplicateTask,),
}


IN_PARTS = ("streaming",)  # what is possible only where the store itself has large outputs
NONE: tuple[str, ...] = ()
SHOWN = 4  # annotations that a warning names with why they were left out


@cache
def with_whole_blobs(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of these optimizations that are possible elsewhere, and those that are not."""
    possible = tuple([name for name in names if name not in IN_PARTS])
    return possible, tuple([name for name in names if name in IN_PARTS])


def kinds_of(names: Iterable[str]) -> tuple[type, ...]:
    return tuple(kind for name in names for kind in CARRIED_OUT[name])


def optimization_of(note: object) -> str:
    """Whose annotation it is; empty if it is none that is carried out."""
    return next((name for name, kinds in CARRIED_OUT.items() if isinstance(note, kinds)), "")


def planner_with(planner: Planner, switched_on: Collection[str]) -> Planner:
    """A planner that counts on nothing which is not going to happen."""
    if isinstance(planner, CheckedPlanner):
        return replace(planner, planner=planner_with(planner.planner, switched_on))
    chosen: Any = getattr(planner, "optimizations", None)
    if not isinstance(chosen, tuple):
        return planner
    kept = tuple(one for one in chosen if getattr(one, "name", "") in switched_on)
    return planner if kept == chosen else replace(cast("Any", planner), optimizations=kept)


def as_carried_out(
    plan: Plan,
    translation: Translation,
    switched_on: Collection[str],
    impossible: Collection[str] = (),
) -> Plan:
    """The plan with the annotations that containers will heed."""
    notes = [note for note in plan.annotations if not isinstance(note, Chosen)]
    if not notes:
        return plan
    heeded = Heeded(translation, switched_on, impossible)
    left_out = [n for n in notes if isinstance(n, LeftOut) and heeded.wants(KINDS.get(n.what))]
    ignored = [n for n in notes if not isinstance(n, LeftOut) and heeded.refuses(n)]
    if ignored or left_out:
        kinds = sorted({getattr(note, "kind", type(note).__name__) for note in ignored})
        wrong = sorted({note.what for note in left_out})
        tell("plan", f"{plan.planner} {kinds} {wrong}", message(plan.planner, kinds, left_out))
    kept = [n for n in plan.annotations if isinstance(n, Chosen) or heeded.keeps(n)]
    if len(kept) == len(plan.annotations):
        return plan
    return plan.with_annotations(translation.dag, tuple(kept))


class Heeded:
    """Whether an annotation is kept; it may be none of ours, where the planner is the user's."""

    def __init__(
        self, translation: Translation, switched_on: Collection[str], impossible: Collection[str]
    ) -> None:
        self.translation = translation
        self.wanted = kinds_of(switched_on)
        self.impossible = kinds_of(impossible)

    @cached_property
    def repeatable(self) -> Flags:
        return repeatable(self.translation)

    def wants(self, kind: type | None) -> bool:
        """Whether anybody counts on it: whoever switches something off knows."""
        return kind is None or kind not in kinds_of(CARRIED_OUT) or issubclass(kind, self.wanted)

    def refuses(self, note: object) -> bool:
        """Nobody carries it out: whoever made it has to hear of that."""
        if isinstance(note, DuplicateTask) and isinstance(note, self.wanted):
            return not self.repeatable[note.task]
        return isinstance(note, self.impossible) or not isinstance(note, kinds_of(CARRIED_OUT))

    def keeps(self, note: object) -> bool:
        return isinstance(note, self.wanted) and not self.refuses(note)


def message(planner: str, kinds: Sequence[str], left_out: Sequence[LeftOut] = ()) -> str:
    """``kinds`` are done nowhere here, and those left out would be, if they were right."""
    told = []
    if kinds:
        told.append(
            f"The planner {planner!r} asks for what containers do not do here, and the run goes on "
            f"without it: {', '.join(kinds)}. They do {', '.join(sorted(CARRIED_OUT))}; copies of tasks "
            "(task_dup) only where these surely give the same again, and streaming only where outputs are "
            "in the store itself, not in files of this host nor where the setting blobs has them."
        )
    if left_out:
        shown = "; ".join(f"{note.what} ({note.why})" for note in left_out[:SHOWN])
        more = f" and {len(left_out) - SHOWN} more" if len(left_out) > SHOWN else ""
        told.append(
            f"The planner {planner!r} asks for what cannot be carried out, and the run goes on "
            f"without it: {shown}{more}."
        )
    return " ".join(told)
