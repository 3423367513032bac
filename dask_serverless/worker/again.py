"""What runs again: bundles whose outputs only a lost container had, in front of one that takes them."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import replace
from itertools import chain

from dask_serverless.coordination.base import Assignment, maker
from dask_serverless.errors import BlobLost
from dask_serverless.worker.bundle import BundleSpec

References = dict[int, bytes | None]  # by task


def with_makers(
    spec: BundleSpec, assignment: Assignment, decode: Callable[[bytes], BundleSpec]
) -> tuple[BundleSpec, References]:
    """One bundle of all that has to run, and what it takes: nobody else hears of what it makes.

    Ids of bundles are topological, and names of constants and steps those of the whole run.
    """
    makers = {each.bundle: each for each in assignment.makers}
    specs = {bundle: decode(each.spec) for bundle, each in sorted(makers.items())}
    inputs = references(spec, assignment)
    for bundle, each in specs.items():
        inputs.update(references(each, makers[bundle]))
    for task, reference in inputs.items():
        if (source := maker(reference)) is not None and source not in specs:
            raise BlobLost(f"task {task}, made by bundle {source}")
    parts = [*specs.values(), spec]
    made = {step[0] for part in parts for step in part.program}
    inputs = {task: reference for task, reference in inputs.items() if task not in made}
    whole = replace(
        spec,
        inputs=tuple(inputs),
        program=list(chain.from_iterable(part.program for part in parts)),
        constants={k: v for part in parts for k, v in part.constants.items()},
        pickled={k: v for part in parts for k, v in part.pickled.items()},
        hoisted={k: v for part in parts for k, v in part.hoisted.items()},
        retries={k: v for part in parts for k, v in (part.retries or {}).items()} or None,
    )
    return whole, inputs


def references(spec: BundleSpec, assignment: Assignment, here: Container[int] = ()) -> References:
    """Where a bundle's inputs are, but for those that are here."""
    pairs = zip(spec.inputs, assignment.inputs, strict=True)
    return {task: reference for task, reference in pairs if task not in here}


def nowhere(inputs: References) -> bool:
    """Whether some of them have to be made again."""
    return any(maker(reference) is not None for reference in inputs.values())
