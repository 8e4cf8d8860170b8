"""The WebSocket of one session: what the page and `csp chat` speak.

Reading and writing are two tasks. The writer hands on frames that the hub made once for everybody;
the reader commits what the client sends before it acknowledges. Whoever is too slow is closed with
a code that says so, and finds everything again by its seq.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import ApiError, InvalidRequest, NotFound, Unauthenticated
from csp_controlplane.gateway.auth import authenticate
from csp_controlplane.gateway.security import check_origin
from csp_controlplane.gateway.state import GatewayState, state_of
from csp_controlplane.gateway.views import session_view
from csp_controlplane.live.frames import SLOW
from csp_controlplane.live.subscription import Subscription
from csp_controlplane.store.database import DATABASE_AWAY

log = structlog.get_logger(__name__)
router = APIRouter()

BAD_MESSAGE = 4400
SIGNED_OUT = 4401
UNKNOWN = 4404
TRY_LATER = 1013
DATABASE_AWAY_TEXT = "The database does not answer. Reconnect in a moment."
CLOSE_S = 2.0
REAUTHENTICATE_S = 30.0


@router.websocket("/sessions/{session_id}/ws")
async def session_socket(websocket: WebSocket, session_id: str) -> None:
    """Streams a session's log and previews; takes events. See docs/reference/protocol.md."""
    state = state_of(websocket)
    try:
        check_origin(websocket.headers, state.settings)
        who = await authenticate(websocket)
        after, tail, previews = _resume_point(websocket)
        record = await state.sessions.get(who, session_id)
        subscription = await state.sessions.subscribe(
            who, session_id, after=after, tail=tail, previews=previews
        )
    except ApiError as error:
        await websocket.accept()
        await websocket.close(_close_code(error), error.message[:120])
        return
    except DATABASE_AWAY as error:
        log.warning("socket_refused_without_database", session_id=session_id, error=str(error))
        await websocket.accept()
        await websocket.close(TRY_LATER, DATABASE_AWAY_TEXT)
        return
    await websocket.accept()
    hello = {
        "type": "hello",
        "session": session_view(record),
        "last_seq": record.last_seq,
        "gateway": state.settings.id,
    }
    await websocket.send_text(orjson.dumps(hello).decode())
    state.metrics.websocket_connections.inc()
    try:
        await _Connection(websocket, state, who, session_id, subscription).run()
    finally:
        state.metrics.websocket_connections.dec()
        await subscription.close()


class _Connection:
    """One open socket."""

    def __init__(
        self,
        websocket: WebSocket,
        state: GatewayState,
        who: Principal,
        session_id: str,
        subscription: Subscription,
    ) -> None:
        self._socket = websocket
        self._state = state
        self._who = who
        self._session = session_id
        self._subscription = subscription
        self._close: tuple[int, str] | None = None

    async def run(self) -> None:
        """Until either side ends it; leaves no task behind."""
        works: tuple[tuple[str, Callable[[], Any]], ...] = (
            ("read", self._read),
            ("write", self._write),
            ("slow", self._watch_slowness),
            ("auth", self._watch_sign_out),
        )
        tasks = [asyncio.create_task(work(), name=f"ws-{name}") for name, work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                self._explain(task.exception())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._close is not None:
            with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._socket.close(*self._close)

    def _explain(self, error: BaseException | None) -> None:
        """What the client is told about a task that failed."""
        if error is None or isinstance(error, WebSocketDisconnect | RuntimeError):
            return
        if isinstance(error, DATABASE_AWAY):
            # A send that was not acknowledged is sent again under its client id.
            log.warning("socket_without_database", session_id=self._session, error=str(error))
            self._close = self._close or (TRY_LATER, DATABASE_AWAY_TEXT)
            return
        log.error("socket_failed", session_id=self._session, exc_info=error)
        self._close = self._close or (1011, "Something went wrong: reconnect.")

    async def _write(self) -> None:
        async for frame in self._subscription:
            if frame.kind == "closed":
                self._close = (frame.code, frame.reason)
                return
            await self._socket.send_text(frame.text)

    async def _watch_slowness(self) -> None:
        await self._subscription.dropped.wait()
        self._close = (SLOW, "Too slow: reconnect with the last seq that you have.")

    async def _watch_sign_out(self) -> None:
        while True:
            await asyncio.sleep(REAUTHENTICATE_S)
            try:
                await authenticate(self._socket)
            except Unauthenticated:
                self._close = (SIGNED_OUT, "You are signed out.")
                return
            except (ApiError, *DATABASE_AWAY) as error:
                log.debug("reauthentication_waits", error=str(error))

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            await self._socket.send_text(await self._answer(text))

    async def _answer(self, text: str | None) -> str:
        client_id: str | None = None
        try:
            body = _parse(text)
            if body.get("type") == "ping":
                return '{"type":"pong"}'
            if body.get("type") != "send":
                raise InvalidRequest("type: send or ping are possible")
            client_id = _client_id(body)
            logged = await self._state.sessions.send(
                self._who,
                self._session,
                body.get("events"),
                client_id=client_id,
                request_hash=None,
                is_retry=False,
            )
        except ApiError as error:
            answer = {**error.body(), "client_id": client_id}
            return orjson.dumps(answer).decode()
        data = [{"id": event.id, "type": event.type, "seq": event.seq} for event in logged]
        return orjson.dumps({"type": "ack", "client_id": client_id, "data": data}).decode()


def _parse(text: str | None) -> dict[str, Any]:
    try:
        body = orjson.loads(text or "")
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The message is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise InvalidRequest("The message is not a JSON object.")
    return body


def _client_id(body: dict[str, Any]) -> str:
    client_id = body.get("client_id")
    if not isinstance(client_id, str) or not 0 < len(client_id) <= 128:
        raise InvalidRequest("client_id: a string of 1 to 128 characters, new for each send")
    return client_id


def _resume_point(websocket: WebSocket) -> tuple[int | None, int | None, dict[str, int]]:
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
