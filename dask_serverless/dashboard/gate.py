"""The gate: pages and their connections are for those who have the token, if there is one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bokeh.server.auth_provider import AuthProvider
from tornado.web import HTTPError, RequestHandler

from dask_serverless.dashboard.access import Access

ANYBODY = "anybody"


def check(access: Access, handler: RequestHandler) -> None:
    """Before anything is answered, the handshake of a web socket included."""
    if not access.knows(handler.request.host):
        raise HTTPError(
            403, reason="this host name is none of the dashboard's: name it in allow_origin"
        )
    origin = handler.request.headers.get("Origin") if connects(handler) else None
    if origin is not None and not access.expects(origin):
        raise HTTPError(403, reason="pages of this origin may not connect: name it in allow_origin")
    if not admitted(access, handler):
        raise HTTPError(401, reason="open the whole link: it has a token")


def connects(handler: RequestHandler) -> bool:
    """To open a web socket, which browsers let any page do."""
    return handler.request.headers.get("Upgrade", "").lower() == "websocket"


def admitted(access: Access, handler: RequestHandler) -> bool:
    """By the token in the link; from then on by a cookie that scripts do not see."""
    told = handler.get_query_argument("token", "")
    if told and access.admits(told):
        handler.set_cookie(access.cookie, told, httponly=True, samesite="Lax")
        return True
    return access.admits(handler.get_cookie(access.cookie) or "")


class Gate(AuthProvider):
    """For Bokeh's own handlers, those of web sockets among them."""

    def __init__(self, access: Access) -> None:
        self.access = access
        super().__init__()

    @property
    def get_user(self) -> None:
        return None

    @property
    def get_user_async(self) -> Callable[[Any], Awaitable[str]]:
        async def user(handler: Any) -> str:
            check(self.access, handler)
            return ANYBODY

        return user

    @property
    def login_url(self) -> str:
        """Bokeh wants one; nobody is ever sent there."""
        return "/"

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
