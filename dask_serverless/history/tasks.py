"""The identities of a graph's tasks: of plain ones their function's, of fused ones their chain's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dask_serverless.history.identity import chain_identity, identity

if TYPE_CHECKING:
    from dask_serverless.translation.translate import Translation
    from planners.graph.dag import Dag


def identified(translation: Translation) -> Dag:
    """The translation's Dag as predictions know it: its function names are identities."""
    dag = translation.dag
    names = [identity(function) for function in translation.functions]
    chains: dict[tuple[int, ...], int] = {}
    functions = dag.functions
    if translation.first_steps is not None:
        functions = functions.copy()
        for task, chain in fused(translation, translation.first_steps):
            number = chains.get(chain)
            if number is None:
                number = chains[chain] = len(names)
                names.append(chain_identity([names[function] for function in chain]))
            functions[task] = number
    return replace(dag, functions=functions, function_names=tuple(names))


def fused(
    translation: Translation, first_steps: Sequence[int]
) -> list[tuple[int, tuple[int, ...]]]:
    """The tasks of several steps, each with the functions of these."""
    steps = translation.steps
    many = np.flatnonzero(np.diff(np.asarray(first_steps)) > 1)
    return [
        (task, tuple([step[1] for step in steps[first_steps[task] : first_steps[task + 1]]]))
        for task in many.tolist()
    ]
