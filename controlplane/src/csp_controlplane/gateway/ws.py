"""The WebSocket of one session: what the page and `csp chat` speak.

A socket is an ASGI application of its own, because a FastAPI route keeps its request's machinery
for as long as the socket lives, and most sockets live long and do nothing.
"""

from __future__ import annotations

import orjson
import structlog
from fastapi import APIRouter
from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from csp_controlplane.errors import ApiError, InvalidRequest, NotFound, Unauthenticated
from csp_controlplane.gateway.auth import authenticate
from csp_controlplane.gateway.connection import (
    DATABASE_AWAY_TEXT,
    SIGNED_OUT,
    TRY_LATER,
    Connection,
)
from csp_controlplane.gateway.context import request_id_of
from csp_controlplane.gateway.security import check_origin
from csp_controlplane.gateway.state import state_of
from csp_controlplane.gateway.views import session_view
from csp_controlplane.store.database import DATABASE_AWAY

log = structlog.get_logger(__name__)

BAD_MESSAGE = 4400
UNKNOWN = 4404


class SessionSocket:
    """Streams a session's log and previews; takes events. See docs/reference/protocol.md."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = await _open(scope, receive, send)
        if connection is not None:
            await connection.run()


router = APIRouter(routes=[WebSocketRoute("/sessions/{session_id}/ws", SessionSocket())])


async def _open(scope: Scope, receive: Receive, send: Send) -> Connection | None:
    """The accepted socket after its greeting. None: it was refused, and told why."""
    websocket = WebSocket(scope, receive, send)
    session_id: str = websocket.path_params["session_id"]
    state = state_of(websocket)
    structlog.contextvars.bind_contextvars(session_id=session_id)
    try:
        check_origin(websocket.headers, state.settings)
        who = await authenticate(websocket)
        after, tail, previews = _resume_point(websocket)
        record = await state.sessions.get(who, session_id)
        subscription = await state.sessions.subscribe(
            who, session_id, after=after, tail=tail, previews=previews, as_text=True
        )
    except ApiError as error:
        await _refuse(websocket, _close_code(error), error.message[:120])
        return None
    except DATABASE_AWAY as error:
        log.warning("socket_refused_without_database", session_id=session_id, error=str(error))
        await _refuse(websocket, TRY_LATER, DATABASE_AWAY_TEXT)
        return None
    hello = {
        "type": "hello",
        "session": session_view(record),
        "last_seq": record.last_seq,
        "gateway": state.settings.id,
    }
    try:
        await websocket.accept(headers=_headers(scope))
        await websocket.send_text(orjson.dumps(hello).decode())
    except WebSocketDisconnect:
        await subscription.close()
        return None
    return Connection(scope, receive, send, who, session_id, subscription)


async def _refuse(websocket: WebSocket, code: int, reason: str) -> None:
    await websocket.accept(headers=_headers(websocket.scope))
    await websocket.close(code, reason)


def _headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    return [(b"request-id", (request_id_of(scope) or "").encode())]


def _resume_point(websocket: HTTPConnection) -> tuple[int | None, int | None, dict[str, int]]:
    query = websocket.query_params
    previews: dict[str, int] = {}
    for item in query.getlist("preview")[:100]:
        event_id, _, offset = item.rpartition(":")
        previews[event_id] = _number(offset, "preview") or 0
    return _number(query.get("after"), "after"), _number(query.get("tail"), "tail"), previews


def _number(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or len(text) > 18:
        raise InvalidRequest(f"{name}: a whole number of 0 or more")
    return int(text)


def _close_code(error: ApiError) -> int:
    match error:
        case NotFound():
            return UNKNOWN
        case Unauthenticated():
            return SIGNED_OUT
        case _ if error.status >= 500:
            return TRY_LATER
        case _:
            return BAD_MESSAGE
