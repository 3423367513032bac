"""The table of functions: pickled one behind the other, so that what fails has a number.

One pickler with one memo writes them all: what they share is sent once.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from typing import Any

from dask_serverless.blobs.pickling import pickler

Functions = list[Callable[..., Any]]
Pickled = tuple[bytes, list[pickle.PickleBuffer]]  # the pickles, and large buffers out of band


class FunctionFailed(Exception):
    """A function does not pickle or unpickle; the cause is why."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def pickle_table(functions: Sequence[Callable[..., Any]]) -> Pickled:
    file = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    writer = pickler(file, buffers)
    for index, function in enumerate(functions):
        try:
            writer.dump(function)
        except Exception as error:
            raise FunctionFailed(index) from error
    return file.getvalue(), buffers


def unpickle_table(pickled: Pickled) -> Functions:
    data, buffers = pickled
    file = io.BytesIO(data)
    unpickler = pickle.Unpickler(file, buffers=buffers)
    functions: Functions = []
    while file.tell() < len(data):
        try:
            functions.append(unpickler.load())
        except Exception as error:
            raise FunctionFailed(len(functions)) from error
    return functions
