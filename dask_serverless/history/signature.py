"""What makes two graphs the same for the purpose of learning how plans for them come true."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from math import log2

DIGEST_BYTES = 8


def signature(names: tuple[str, ...], tasks: int, containers: int) -> str:
    """The functions, about how many tasks, and on how many containers.

    Not the very shape: Dask fuses the same computation in one way today, in another one tomorrow,
    and loads of other sizes make other numbers of tasks.
    """
    return _signature(names, round(log2(max(tasks, 1))), containers)


@lru_cache(maxsize=256)  # most runs are like one before
def _signature(names: tuple[str, ...], size: int, containers: int) -> str:
    told = "\n".join((*sorted(set(names)), str(size), str(containers)))
    return blake2b(told.encode("utf-8", "replace"), digest_size=DIGEST_BYTES).hexdigest()
