"""The HTTP entry point: invitations come in, news goes out. docs/invocation.md has the protocol."""

from __future__ import annotations

import hmac
import json
import socket
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any

from dask_serverless.backends.messages import Others, Over, Peers, Stop, bare, line_of, message_of
from dask_serverless.backends.sealed import unsealed
from dask_serverless.errors import NotAuthentic
from dask_serverless.worker.environment import versions
from dask_serverless.worker.invitation import Invitation
from worker_container.news import News
from worker_container.occupant import Occupant

MOST_BYTES = 1 << 20  # of a body: the client's own modules, at most, do not come this way
IDLE_SECONDS = 600.0  # of a connection
JSON = "application/json"
FOR_CONTAINERS = (Stop, Others, Over, Peers)  # what an owner may tell
LINES = "application/x-ndjson"


class EntryPoint(ThreadingHTTPServer):
    """One thread a connection; ``occupant`` does the work."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], token: str, occupant: Occupant, news: News):
        super().__init__(address, Handler)
        self.expected = f"Bearer {token}".encode()
        self.occupant = occupant
        self.news = news

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke: whoever was there asks again."""


class Refusal(Exception):
    """What is answered instead."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why


class Handler(BaseHTTPRequestHandler):
    server: EntryPoint
    protocol_version = "HTTP/1.1"
    server_version = "dask-serverless"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    wbufsize = -1  # an answer is one packet
    routes = {
        ("GET", "/health"): "health",
        ("GET", "/events"): "events",
        ("POST", "/invoke"): "invoke",
        ("POST", "/tell"): "tell",
    }

    def do_GET(self) -> None:
        self.handle_request()

    def do_POST(self) -> None:
        self.handle_request()

    def handle_request(self) -> None:
        try:
            name = self.routes.get((self.command, self.path))
            if name != "health":
                self.check_token()
            if name is None:
                raise Refusal(HTTPStatus.NOT_FOUND, f"there is no {self.command} {self.path}")
            getattr(self, name)()
        except Refusal as refusal:
            self.close_connection = True  # the body, if there is one, was not read
            self.answer(refusal.status, {"error": refusal.why})

    def check_token(self) -> None:
        """Before anything of the body is read."""
        told = self.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(told, self.server.expected):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "the header Authorization: Bearer … is wrong")

    def health(self) -> None:
        """For platforms, which know no token; who knows it is told more."""
        told: dict[str, Any] = {"state": self.server.occupant.state}
        if self.headers.get("Authorization"):
            self.check_token()
            told["versions"] = versions()
        self.answer(HTTPStatus.OK, told)

    def invoke(self) -> None:
        """202 at once; with ``wait``, 200 when the container has left the run."""
        came, body = time(), self.body()
        if over := body.get("over"):
            self.server.occupant.pass_on(Over([str(run) for run in over]))
        invitation = self.with_store(self.unsealed(body.get("invitation")))
        if body.get("wait", False):  # so its platform charges for the request
            invitation = replace(invitation, charged=came)
        visit = self.server.occupant.take(invitation)
        if visit is None:
            self.answer(HTTPStatus.CONFLICT, {"error": f"it is {self.server.occupant.state}"})
        elif body.get("wait", False):
            self.server.occupant.begin(visit)
            self.server.occupant.await_end(visit)
            self.answer(HTTPStatus.OK, b"".join(map(line_of, map(bare, visit.told))))
        else:
            self.answer(HTTPStatus.ACCEPTED, {})
            self.server.occupant.begin(visit)

    def unsealed(self, told: Any) -> Invitation:
        try:
            return unsealed(told, self.server.occupant.settings.shared)
        except NotAuthentic as error:
            raise Refusal(HTTPStatus.PRECONDITION_FAILED, str(error)) from None

    def with_store(self, invitation: Invitation) -> Invitation:
        """The one that the container was given comes first: there its user may have fewer rights."""
        store = self.server.occupant.settings.store or invitation.store
        if not store:
            problem = "neither the invitation nor this container names a store: set WORKER_STORE"
            raise Refusal(HTTPStatus.BAD_REQUEST, problem)
        return replace(invitation, store=store)

    def tell(self) -> None:
        try:
            messages = [message_of(line) for line in self.content().splitlines()]
        except (ValueError, TypeError, KeyError) as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"no messages: {error}") from None
        for message in messages:
            if isinstance(message, FOR_CONTAINERS):  # not code: that comes signed, from the store
                self.server.occupant.pass_on(message)
        self.answer(HTTPStatus.ACCEPTED, {})

    def events(self) -> None:
        """News, as it comes, for as long as the connection lasts."""
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", LINES)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.flush()
        connection: socket.socket = self.connection
        connection.settimeout(None)
        self.server.news.listen(connection)

    def content(self) -> bytes:
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing") from None
        if not 0 <= length <= MOST_BYTES:
            problem = f"{length} bytes are more than {MOST_BYTES}"
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, problem)
        return self.rfile.read(length)

    def body(self) -> dict[str, Any]:
        try:
            told = json.loads(self.content())
        except ValueError:
            raise Refusal(HTTPStatus.BAD_REQUEST, "the body is no JSON") from None
        if not isinstance(told, dict):
            raise Refusal(HTTPStatus.BAD_REQUEST, "the body is no JSON object")
        return told

    def answer(self, status: HTTPStatus, content: dict[str, Any] | bytes) -> None:
        lines = isinstance(content, bytes)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", LINES if lines else JSON)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Standard error is for what tasks write."""
