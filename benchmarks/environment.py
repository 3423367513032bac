"""What every measured process has in common, set before NumPy is imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
# A peer whose BLAS takes all cores within one task would be measured with more than its share.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def prepare() -> None:
    """Hold numeric libraries to one thread, here and in every process started from here."""
    if "numpy" in sys.modules:
        raise RuntimeError("NumPy has been imported already and keeps its number of threads")
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"  # or Ray warns on every start


def same_dask_settings() -> None:
    """The settings of Dask that decide which graph a collection turns into."""
    import dask

    dask.config.set({"dataframe.shuffle.method": "tasks"})
