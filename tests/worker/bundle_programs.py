"""Specs of bundles, as far as their programs count."""

from __future__ import annotations

from dask_serverless.worker.bundle import NO_CHILDREN, BundleSpec, pack_releases


def apart(tasks, program=None, stored=None):
    """Tasks that need nothing of one another."""
    program = program or [(task, 0, (), None) for task in range(tasks)]
    return BundleSpec(
        slot=-1,
        inputs=(),
        program=program,
        constants={},
        pickled={},
        hoisted={},
        stored=tuple(range(tasks)) if stored is None else stored,
        wanted=(),
        children=NO_CHILDREN,
        releases=pack_releases([]),
    )
