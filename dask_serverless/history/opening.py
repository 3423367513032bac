"""From the settings to the history: one for each archive that this process uses."""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from dask_serverless.errors import HistoryUnusable
from dask_serverless.history.archive import Archive, MemoryArchive
from dask_serverless.history.file import FileArchive, default_path
from dask_serverless.history.history import History, NoHistory
from dask_serverless.history.redis import RedisArchive

if TYPE_CHECKING:
    from dask_serverless.config import Settings

_histories: dict[str, History] = {}
_lock = threading.Lock()


def open_history(settings: Settings) -> History:
    """The history that these settings mean; several objects with the same ones share it.

    Nothing is read before it is asked, and nothing is wrong before that.
    """
    if not settings.history:
        return NoHistory()
    where = place(settings)
    with _lock:
        if where not in _histories:
            _histories[where] = history_at(settings)
        return _histories[where]


def archive_of(settings: Settings) -> Archive:
    """Where these settings keep the history; raises HistoryUnusable where that is nowhere."""
    return archive_at(settings.history, settings.store)


def archive_at(history: bool | str, store: str | None) -> Archive:
    """A file that was named, else the store that was, else the user's own file."""
    if isinstance(history, str):
        return FileArchive(history)
    if store is not None:
        return RedisArchive(store)
    return FileArchive(default_path(), named=False)


def place(settings: Settings) -> str:
    if isinstance(settings.history, str):
        return settings.history
    return settings.store or ""


def history_at(settings: Settings) -> History:
    try:
        return History(archive_of(settings))
    except HistoryUnusable as error:
        history = History(MemoryArchive())
        history.problem = error
        return history


@atexit.register
def _save_all() -> None:
    for history in list(_histories.values()):
        history.ended = True
        with suppress(Exception):
            history.close()


def _forget_after_fork() -> None:
    """What the parent has recorded, the parent saves."""
    global _lock
    _lock = threading.Lock()
    for history in _histories.values():
        history.begin()


os.register_at_fork(after_in_child=_forget_after_fork)
