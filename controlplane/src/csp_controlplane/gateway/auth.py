"""Who makes a request: by API key (`x-api-key` or Bearer) or by the browser's cookie.

Works for requests and WebSockets alike. A key wins over a cookie; a key that is no good is refused
even when there is a cookie, because the caller meant the key.
"""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import Depends
from starlette.requests import HTTPConnection, Request

from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import Forbidden, Unauthenticated
from csp_controlplane.gateway.limits import limit_writes
from csp_controlplane.gateway.security import COOKIE, SAFE_METHODS, check_origin
from csp_controlplane.gateway.state import state_of
from csp_controlplane.store import keys, web_sessions


async def authenticate(connection: HTTPConnection) -> Principal:
    """The caller. Raises Unauthenticated, or Forbidden when another site uses the cookie."""
    state = state_of(connection)
    key = api_key_of(connection)
    if key is not None:
        who = await keys.find_key(state.db, key)
        if who is None:
            raise Unauthenticated("The API key is unknown, expired or revoked.")
    else:
        token = connection.cookies.get(COOKIE)
        if not token:
            raise Unauthenticated(
                "Nobody is signed in. Open a sign-in link, or send an API key as x-api-key."
            )
        if connection.scope["type"] == "websocket" or (
            connection.scope.get("method") not in SAFE_METHODS
        ):
            check_origin(connection.headers, state.settings)
        who = await web_sessions.find_web_session(state.db, token)
        if who is None:
            raise Unauthenticated("You are signed out. Sign in again.")
    structlog.contextvars.bind_contextvars(user_id=who.user_id, tenant=who.tenant)
    return who


def api_key_of(connection: HTTPConnection) -> str | None:
    """The key in the headers, if there is one."""
    key = connection.headers.get("x-api-key")
    if key:
        return key.strip()
    scheme, _, credentials = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return None


async def _reader(request: Request) -> Principal:
    return await authenticate(request)


async def _writer(request: Request) -> Principal:
    who = await authenticate(request)
    state = state_of(request)
    await limit_writes(state.counters, who, state.settings.writes_per_minute)
    return who


async def _admin(request: Request) -> Principal:
    who = await _writer(request)
    if who.role != "admin":
        raise Forbidden("Only an administrator may do this. Ask one of yours.")
    return who


Reader = Annotated[Principal, Depends(_reader)]
"""Signed in."""
Writer = Annotated[Principal, Depends(_writer)]
"""Signed in, and within the limit of changes per minute."""
Admin = Annotated[Principal, Depends(_admin)]
"""A writer who is an administrator."""
