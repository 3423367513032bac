"""Lasting: values that a later bundle of this container takes, too, kept in its memory until then.

The containers of a shuffle take the same inputs for bundle after bundle: to fetch them is quick, but
to unpickle them may take longer than everything else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from dask_serverless.worker.measure import nbytes

MOST_BYTES = 128 << 20
MOST_SHARE = 1 / 16  # of a container's memory


class Lasting:
    """Outputs by task, as long as there is room. All of them are in the store as well.

    Tasks of one container share values, as with all of Dask's schedulers. But whoever takes an
    iterator uses it up, and many give a DataFrame that they have taken another column.
    """

    def __init__(self, memory_mb: int = 0) -> None:
        share = int(MOST_SHARE * (memory_mb << 20))
        self.most_bytes = min(MOST_BYTES, share) if memory_mb else MOST_BYTES
        self.nbytes = 0
        self.kept: dict[int, tuple[Any, int]] = {}

    def keep(self, values: Mapping[int, Any], sizes: Mapping[int, int]) -> None:
        """Those whose pickles are of known sizes: they are worth it, and may take much more."""
        for task, pickled in sizes.items():
            if task not in values or task in self.kept or hasattr(values[task], "__next__"):
                continue
            size = max(pickled, nbytes(values[task]))
            if self.nbytes + size <= self.most_bytes:
                self.kept[task] = apart(values[task]), size
                self.nbytes += size

    def take(self, tasks: Iterable[int], still_needed: Collection[int]) -> dict[int, Any]:
        """Those of them that are here; what is not needed any more after that goes."""
        found = {}
        for task in tasks:
            if (one := self.kept.get(task)) is not None:
                found[task] = apart(one[0])
                if task not in still_needed:
                    del self.kept[task]
                    self.nbytes -= one[1]
        return found

    def clear(self) -> None:
        self.kept.clear()
        self.nbytes = 0


def apart(value: Any) -> Any:
    """What becomes of one of pandas' objects is nothing to the other."""
    if type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "_mgr"):
        return value.copy(deep=False)
    return value
