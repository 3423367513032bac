"""AWS Lambda's Invoke over real emulators: queued events, throttling and repetition, as AWS has them."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

ATTEMPTS = 3  # of an event whose function fails: AWS's default is to repeat it twice
EMULATOR = "/2015-03-31/functions/function/invocations"
EMULATOR_SECONDS = 100.0


@dataclass
class Event:
    payload: bytes
    repeated: bool = True  # if it fails
    done: Future[bytes] = field(default_factory=Future)
    attempts: int = 0


class Asked(NamedTuple):
    """One request."""

    who: str  # the access key's name
    function: str
    how: str  # the invocation type
    payload: bytes


class Router(ThreadingHTTPServer):
    """One queue of events for each function; each of its emulators takes one at a time."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.queues: dict[str, queue.SimpleQueue[Event]] = {}
        self.throttled = 0  # how many of the next requests are refused
        self.refused = ""  # the access key whose requests all are
        self.copies = 1  # of each event: "at least once" is all that AWS promises
        self.denied = ""  # what every request is refused for
        self.asked: list[Asked] = []
        self.seconds: list[float] = []  # of each invocation: what AWS charges for
        self.emulators: list[Any] = []
        self.failures: list[bytes] = []
        threading.Thread(target=self.serve_forever, name="router", daemon=True).start()

    def serve(self, function: str, port: int) -> None:
        """An emulator of this function."""
        events = self.queues.setdefault(function, queue.SimpleQueue())
        threading.Thread(target=self.work, args=(events, port), daemon=True).start()

    def work(self, events: queue.SimpleQueue[Event], port: int) -> None:
        while True:
            event = events.get()
            event.attempts += 1
            begun = time.monotonic()
            try:
                answer = invoked(port, event.payload)
            except (OSError, HTTPException):  # the emulator is gone: others have the function, too
                events.put(event)
                return
            self.seconds.append(time.monotonic() - begun)
            if b"errorType" in answer or b"Task timed out" in answer:
                self.failures.append(answer)
                if event.repeated and event.attempts < ATTEMPTS:
                    events.put(event)
                    continue
            event.done.set_result(answer)

    def events(self, who: str = "") -> list[Asked]:
        """Asynchronous invocations, all or one party's."""
        return [each for each in self.asked if each.how == "Event" and who in ("", each.who)]

    def throttles(self, who: str) -> bool:
        if self.throttled > 0:
            self.throttled -= 1
            return True
        return who == self.refused

    def run(self, function: str, payload: bytes) -> bytes:
        """To its end; what fails is not repeated."""
        event = Event(payload, repeated=False)
        self.queues[function].put(event)
        return event.done.result()


def invoked(port: int, payload: bytes) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=EMULATOR_SECONDS)
    try:
        connection.request("POST", EMULATOR, payload)
        return connection.getresponse().read()
    finally:
        connection.close()


class Handler(BaseHTTPRequestHandler):
    server: Router
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        payload = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        function = urlsplit(self.path).path.split("/")[3]
        how = self.headers["X-Amz-Invocation-Type"]
        router = self.server
        who = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        router.asked.append(Asked(who, function, how, payload))
        if router.denied:
            self.answer(403, b'{"Message": "not authorized"}', error=router.denied)
        elif router.throttles(who):
            self.answer(429, b'{"message": "Rate Exceeded."}', error="TooManyRequestsException")
        elif function not in router.queues:
            self.answer(404, b'{"Message": "not found"}', error="ResourceNotFoundException")
        elif how == "DryRun":
            self.answer(204, b"")
        elif how == "Event":
            for _ in range(router.copies):
                router.queues[function].put(Event(payload))
            self.answer(202, b"")
        else:
            told = router.run(function, payload)
            self.answer(200, told, failed=b"errorType" in told)

    def answer(self, status: int, body: bytes, error: str = "", failed: bool = False) -> None:
        with suppress(OSError):
            self.send_response(status)
            if error:
                self.send_header("x-amzn-ErrorType", error)
            if failed:
                self.send_header("X-Amz-Function-Error", "Unhandled")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...
