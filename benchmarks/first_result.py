"""A whole process from its start to a first result, for one peer: what a script's user waits."""

from __future__ import annotations

import sys
from time import perf_counter

from benchmarks.environment import prepare, same_dask_settings

SIDE, CHUNK = 1000, 250
EXPECTED = float(SIDE * SIDE * 2)


def main(name: str, containers: int) -> None:
    """Print the seconds from the first import to the result, and go."""
    start = perf_counter()
    import dask
    import dask.array as da

    from benchmarks.peers import open_peer

    same_dask_settings()
    with open_peer(name, containers) as scheduler:
        x = da.ones((SIDE, SIDE), chunks=CHUNK)
        (result,) = dask.compute((x + x.T).sum(), scheduler=scheduler)
        if result != EXPECTED:
            raise ValueError(f"wrong result: {result} instead of {EXPECTED}")
        print(perf_counter() - start, flush=True)


if __name__ == "__main__":
    prepare()
    main(sys.argv[1], int(sys.argv[2]))
