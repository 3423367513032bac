"""Ears: in the place of sys.stdout and sys.stderr, streams that know whose voice a thread's is."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any, Protocol, TextIO

from dask_serverless.worker.said import ERR, OUT


class Taker(Protocol):
    """Takes what threads of its container write."""

    def write(self, stream: str, text: str) -> None: ...

    def flush(self, stream: str) -> None: ...


class Aloud:
    """In the place of sys.stdout or sys.stderr."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, text: str) -> int:
        voice = EARS.voice()
        if voice is None:
            return self._stream.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        voice.write(self._name, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        voice = EARS.voice()
        if voice is None:
            self._stream.flush()
        else:
            voice.flush(self._name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Ears:
    """Whose voice a thread's is, in this process; while there are any, its streams are ours."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_thread: dict[int, Taker] = {}
        self.alone: Taker | None = None  # of all threads
        self.streams: dict[str, tuple[Any, Aloud]] = {}

    def voice(self) -> Taker | None:
        return self.by_thread.get(threading.get_ident(), self.alone)

    def add(self, voice: Taker, alone: bool) -> None:
        with self.lock:
            if not self.by_thread:
                self.take_streams()
            self.by_thread[threading.get_ident()] = voice
            self.alone = voice if alone else None

    def remove(self) -> None:
        with self.lock:
            if self.by_thread.pop(threading.get_ident(), None) is not None and not self.by_thread:
                self.alone = None
                self.give_back_streams()

    def forget(self) -> None:
        """In a process that a task has forked: lines of two would bear the same numbers."""
        self.lock = threading.Lock()
        self.by_thread.clear()
        self.alone = None

    def take_streams(self) -> None:
        for name in (OUT, ERR):
            stream = getattr(sys, name)
            if stream is not None:
                self.streams[name] = (stream, Aloud(stream, name))
                exchange(name, *self.streams[name])

    def give_back_streams(self) -> None:
        for name, (stream, aloud) in self.streams.items():
            exchange(name, aloud, stream)
        self.streams.clear()


def exchange(name: str, before: Any, after: Any) -> None:
    """Also where loggers have taken it; not where somebody has put another one in its place."""
    if getattr(sys, name) is before:
        setattr(sys, name, after)
    for reference in list(logging._handlerList):  # type: ignore[attr-defined]
        handler = reference()
        if (
            isinstance(handler, logging.StreamHandler)
            and getattr(handler, "stream", None) is before
        ):
            handler.setStream(after)


EARS = Ears()
os.register_at_fork(after_in_child=EARS.forget)
