"""What Dask lets users ask of a scheduler and this one does not do: it says so, once for each."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dask.highlevelgraph import HighLevelGraph, Layer

from dask_serverless.callers import frames_of_libraries
from dask_serverless.config import RETRIES, Wishes, suggestion

# What Dask's own schedulers take, and what Dask's own functions and xarray's pass to whichever
# scheduler there is, some of it meant for their graph optimizations.
UNDERSTOOD = {
    "num_workers", "callbacks", "pool", "chunksize", "cache", "rerun_exceptions_locally",
    "raise_exception", "optimize_graph", "traverse", "initializer", "func_loads", "func_dumps",
    "max_workers", "get", RETRIES, *Wishes._fields,
}  # fmt: skip
PASSED_ON = {
    "flush",  # xarray's to_zarr and to_netcdf
    "compute", "return_stored", "load_stored", "lock", "regions",  # da.store
    "fuse", "fuse_keys", "fuse_subgraphs", "inline_functions_fast_functions", "rename_fused_keys",
    "fast_functions", "rename_keys", "concatenate",
}  # fmt: skip
OF_DASK = {"shuffle"}  # annotations that Dask's own layers bear
HEEDED = {RETRIES}
SEQUENCES = {"_ExprSequence", "_HLGExprSequence"}  # what dask.compute makes of its arguments

_told: set[tuple[str, str]] = set()


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse what was probably mistyped, and warn of what means nothing here.

    Dask itself passes on whatever keywords its optimizations were called with, so a keyword that
    nobody knows must not fail.
    """
    for name in options:
        if name in UNDERSTOOD or name in PASSED_ON:
            continue
        if difflib.get_close_matches(name, UNDERSTOOD, 1, 0.8):
            raise TypeError(
                f"This scheduler has no keyword {name!r}{suggestion(name, UNDERSTOOD)} "
                "Settings go to Serverless(...) and options(...)."
            )
        tell(
            "keyword",
            name,
            f"The keyword {name!r} means nothing to this scheduler and is ignored; "
            "settings go to Serverless(...) and options(...).",
        )


def check_annotations(around: Mapping[str, Any], layers: Iterable[Layer]) -> None:
    """Warn of ``dask.annotate(...)``: most of what it can ask for is not done here.

    That around the call counts as well: it is meant for all that is computed within.
    """
    for borne in (around, *[layer.annotations for layer in layers]):
        for name in borne or ():
            if name not in OF_DASK and name not in HEEDED:
                tell(
                    "annotation",
                    name,
                    f"dask.annotate({name}=...) is not heeded by this scheduler: the tasks run as "
                    "if they had no such annotation.",
                )


def annotated(graph: Any) -> Iterator[Layer]:
    """Layers as the user made them: Dask's optimizations merge some, and lose what they bear.

    Only classes are asked what they have: an expression takes 100 us to say that of itself.
    """
    kind = type(graph)
    if kind.__name__ in SEQUENCES:
        for part in graph.operands:
            yield from annotated(part)
        return
    if hasattr(kind, "hlg"):
        graph = graph.hlg
    if isinstance(graph, HighLevelGraph):
        for layer in graph.layers.values():
            if layer.annotations:
                yield layer


def tell(kind: str, name: str, words: str) -> None:
    if (kind, name) not in _told:
        _told.add((kind, name))
        warnings.warn(words, stacklevel=2 + frames_of_libraries())
