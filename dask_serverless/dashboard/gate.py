"""The gate: pages and their connections are for those who have the token, if there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bokeh.server.auth_provider import AuthProvider
from tornado.web import RequestHandler

from dask_serverless.dashboard.access import COOKIE, Access

DENIED = "denied"
ANYBODY = "anybody"


def admitted(access: Access, handler: RequestHandler) -> bool:
    """By the token in the link; from then on by a cookie that scripts do not see."""
    told = handler.get_query_argument("token", "")
    if told and access.admits(told):
        handler.set_cookie(COOKIE, told, httponly=True, samesite="Lax")
        return True
    return access.admits(handler.get_cookie(COOKIE) or "")


class Gate(AuthProvider):
    """For Bokeh's own handlers, those of web sockets among them."""

    def __init__(self, access: Access) -> None:
        self.access = access
        super().__init__()

    @property
    def get_user(self) -> Callable[[Any], str | None]:
        def user(handler: Any) -> str | None:
            known = self.access.knows(handler.request.host)
            return ANYBODY if known and admitted(self.access, handler) else None

        return user

    @property
    def get_user_async(self) -> None:
        return None

    @property
    def login_url(self) -> str:
        return f"/{DENIED}"

    @property
    def get_login_url(self) -> None:
        return None

    @property
    def login_handler(self) -> None:
        return None

    @property
    def logout_url(self) -> None:
        return None

    @property
    def logout_handler(self) -> None:
        return None
