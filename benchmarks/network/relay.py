"""The relay: passes bytes on between connections and a server, each when its time has come.

A process of its own: ``python -m benchmarks.network.relay OPTIONS``, where it prints the port that
it listens on; each line that it is sent is answered with its figures, and the end of its input ends
it. It is one thread around ``select``, whose patience is counted in microseconds: that of ``epoll``,
and so of asyncio, is counted in milliseconds, which is all that there is to measure here.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import select
import socket
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from time import monotonic

from benchmarks.network.lane import Lane, Wire

PIECE_BYTES = 1 << 16
WINDOW_BYTES = 1 << 20  # under way in one direction at least, before its sender is held up
WINDOW_SECONDS = 0.02  # of full rate: a relay that wakes up late must not find the wire idle
MOST_CONNECTIONS = 450  # select takes descriptors below 1024
PR_SET_TIMERSLACK = 29


@dataclass
class Figures:
    """What went through since the relay began."""

    connections: int = 0
    bytes_up: int = 0  # to the server
    bytes_down: int = 0
    pieces: int = 0
    late_seconds: float = 0.0  # by which pieces left after their time, in all

    @property
    def lateness(self) -> float:
        """Of a piece: far below the delay, or what was measured was the relay."""
        return self.late_seconds / self.pieces if self.pieces else 0.0


@dataclass(eq=False)
class Stream:
    """One direction of one connection. An empty piece is its end."""

    source: socket.socket
    target: socket.socket
    lane: Lane
    window: float
    up: bool  # to the server
    pieces: deque[tuple[float, memoryview]] = field(default_factory=deque)
    held: int = 0  # bytes under way
    read: bool = False  # to the end
    over: bool = False
    blocked: bool = False  # the target takes no more just now

    @property
    def hungry(self) -> bool:
        return not self.read and self.held < self.window

    def take(self) -> int:
        """Read what has come; how much."""
        data = self.source.recv(PIECE_BYTES)
        self.read = not data
        self.held += len(data)
        self.pieces.append((self.lane.arrival(monotonic(), len(data)), memoryview(data)))
        return len(data)

    def give(self, figures: Figures) -> None:
        """Pass on what is due."""
        while self.pieces and self.pieces[0][0] <= (now := monotonic()):
            due, piece = self.pieces.popleft()
            if not piece:
                self.over = True
                with suppress(OSError):
                    self.target.shutdown(socket.SHUT_WR)
                return
            figures.pieces += not self.blocked
            figures.late_seconds += 0.0 if self.blocked else now - due
            try:
                sent = self.target.send(piece)
            except BlockingIOError:
                sent = 0
            self.held -= sent
            self.blocked = sent < len(piece)
            if self.blocked:
                self.pieces.appendleft((due, piece[sent:]))
                return


class Relay:
    """Both ends of all connections."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.figures = Figures()
        self.rate = options.bytes_per_second or inf
        total = options.total_bytes_per_second or inf
        self.shared = Wire(total), Wire(total)  # down and up
        self.pairs: list[tuple[Stream, Stream]] = []
        self.listening = socket.create_server((options.listen, 0), backlog=128)

    def live(self) -> None:
        print(self.listening.getsockname()[1], flush=True)
        while True:
            streams = [stream for pair in self.pairs for stream in pair]
            reading = {s.source: s for s in streams if s.hungry}
            writing = {s.target: s for s in streams if s.blocked}
            waiting = [self.listening, sys.stdin, *reading]
            ready, able, _ = select.select(waiting, list(writing), [], self.patience(streams))
            for one in able:
                writing[one].blocked = False
            for one in ready:
                if one is self.listening:
                    self.accept()
                elif one is sys.stdin:
                    if not os.read(0, 1 << 10):
                        return
                    print(json.dumps(vars(self.figures)), flush=True)
                else:
                    self.hear(reading[one])
            self.pass_on()

    def patience(self, streams: list[Stream]) -> float | None:
        due = [s.pieces[0][0] for s in streams if s.pieces and not s.blocked]
        return max(0.0, min(due) - monotonic()) if due else None

    def accept(self) -> None:
        near, _ = self.listening.accept()
        try:
            if len(self.pairs) >= MOST_CONNECTIONS:
                raise ConnectionRefusedError
            far = server(self.options.server)
        except OSError:
            near.close()
            return
        for end in (near, far):
            end.setblocking(False)
            if end.family != socket.AF_UNIX:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.figures.connections += 1
        self.pairs.append((self.stream(near, far, up=True), self.stream(far, near, up=False)))

    def stream(self, source: socket.socket, target: socket.socket, *, up: bool) -> Stream:
        """Nothing arrives before the connection would stand: that takes a round trip, too."""
        rtt = self.options.rtt_seconds
        lane = Lane(Wire(self.rate, monotonic() + rtt), self.shared[up], rtt / 2)
        window = WINDOW_BYTES
        if self.rate < inf:
            window = max(WINDOW_BYTES, int(self.rate * (rtt + WINDOW_SECONDS)))
        return Stream(source, target, lane, window, up)

    def hear(self, stream: Stream) -> None:
        try:
            count = stream.take()
        except BlockingIOError:
            return
        except OSError:
            self.cut(stream)
            return
        if stream.up:
            self.figures.bytes_up += count
        else:
            self.figures.bytes_down += count

    def pass_on(self) -> None:
        for pair in list(self.pairs):
            for stream in pair:
                try:
                    if not stream.blocked:
                        stream.give(self.figures)
                except OSError:
                    self.cut(stream)
                    break
            if pair in self.pairs and all(stream.over for stream in pair):
                self.cut(pair[0])

    def cut(self, stream: Stream) -> None:
        """Either end is gone: so is the other."""
        self.pairs = [pair for pair in self.pairs if stream not in pair]
        stream.source.close()
        stream.target.close()


def server(where: str) -> socket.socket:
    """Connected; ``where`` is a socket's path, or host:port."""
    if "/" in where:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(where)
        return connection
    host, _, port = where.rpartition(":")
    return socket.create_connection((host, int(port)), 5.0)


def wake_on_time() -> None:
    """As far as the system lets us: a network does not wait for a core, nor sleep 50 µs longer."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--listen", default="127.0.0.1")
    parser.add_argument("--rtt-seconds", type=float, default=0.0)
    parser.add_argument("--bytes-per-second", type=float, default=0.0)
    parser.add_argument("--total-bytes-per-second", type=float, default=0.0)
    wake_on_time()
    with suppress(KeyboardInterrupt):
        Relay(parser.parse_args()).live()


if __name__ == "__main__":
    main()
