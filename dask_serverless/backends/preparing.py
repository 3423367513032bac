"""What the nursery does before it has any container: take in what the client has imported."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

SHOWN_BYTES = 1 << 20


def preload(modules: Sequence[str]) -> None:
    """Import what the client has imported, so that every container is born with it."""
    gc.disable()  # imports make many objects and no garbage: collections are a third of their time
    for name in modules:
        if name not in sys.modules:
            with suppress(Exception):
                importlib.import_module(name)
    gc.freeze()  # what is here now stays, and stays shared with the containers
    gc.enable()


def show_errors(shown: int) -> None:
    """What was written while the nursery came up went to a file, for the client to tell if it did
    not come up at all. From now on standard error is the client's.
    """
    sys.stderr.flush()
    with suppress(OSError):
        so_far = os.pread(2, SHOWN_BYTES, 0)
        os.dup2(shown, 2)
        if so_far:
            os.write(2, so_far)
    os.close(shown)
