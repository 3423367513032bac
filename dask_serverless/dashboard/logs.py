"""What the dashboard's process logs: its own errors, and never the token of its link."""

from __future__ import annotations

import logging
import traceback

SERVERS = ("bokeh", "tornado")  # who else logs there: each address that is not found or refused
CONNECTION = "bokeh.server.connection"


class Without(logging.Formatter):
    """A link with a token ends up in messages and tracebacks, as part of what a browser asked for."""

    def __init__(self, token: str) -> None:
        super().__init__("%(levelname)s: %(message)s")
        self.token = token

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text.replace(self.token, "…") if self.token else text


def worth_telling(record: logging.LogRecord) -> bool:
    """Whoever closes a page while it still sends something is no error, though Bokeh asserts that its
    session is there.
    """
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, AssertionError):
        return True
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__") != CONNECTION


def log_without(token: str) -> None:
    """Onto the terminal of whoever computes: strangers must not be able to write there."""
    handler = logging.StreamHandler()
    handler.setFormatter(Without(token))
    handler.addFilter(worth_telling)
    for name in SERVERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.ERROR)
        logger.propagate = False
        logger.handlers = [handler]
