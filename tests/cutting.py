"""A TCP proxy in front of a store that cuts connections: at any moment, or at a chosen word."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Cutter:
    """``before`` sees what clients send, and says whether to cut instead of passing it on;
    ``after`` whether to pass it on and cut then, so that only the answer is lost.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.cuts = 0
        self.before: Callable[[bytes], bool] = lambda data: False
        self.after: Callable[[bytes], bool] = lambda data: False
        self.pairs: set[tuple[socket.socket, socket.socket]] = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                pair = (client, socket.create_connection(("127.0.0.1", self.port)))
                self.pairs.add(pair)
                for source, target in (pair, pair[::-1]):
                    arguments = (pair, source, target)
                    threading.Thread(target=self.pump, args=arguments, daemon=True).start()

    def pump(self, pair: tuple[socket.socket, socket.socket], source, target) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if source is pair[0] and self.before(data):
                    break
                target.sendall(data)
                if source is pair[0] and self.after(data):
                    break
        self.cut(pair)

    def cut(self, pair: tuple[socket.socket, socket.socket]) -> None:
        if pair in self.pairs:
            self.pairs.discard(pair)
            self.cuts += 1
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def cut_all(self) -> None:
        for pair in list(self.pairs):
            self.cut(pair)


@contextmanager
def cutter(port: int) -> Iterator[Cutter]:
    proxy = Cutter(port)
    try:
        yield proxy
    finally:
        proxy.listener.close()
        proxy.cut_all()
