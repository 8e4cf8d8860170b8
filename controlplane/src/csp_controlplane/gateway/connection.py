"""One open WebSocket: a task that reads and one that writes, and a timer that asks who it still is.

The writer hands on frames that the hub made once for everybody; the reader commits what the client
sends before it acknowledges. Whoever is too slow is closed with a code that says so, and finds
everything again by its seq.

Thousands of sockets do nothing most of the time: what one needs only now and then is a timer's
callback here, not a task that waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

import orjson
import structlog
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from csp_controlplane.domain.events import LoggedEvent
from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import ApiError, InvalidRequest, Unauthenticated
from csp_controlplane.gateway.auth import authenticate
from csp_controlplane.gateway.state import GatewayState, state_of
from csp_controlplane.live.frames import SLOW
from csp_controlplane.live.subscription import Subscription
from csp_controlplane.store.database import DATABASE_AWAY

log = structlog.get_logger(__name__)

WRITE_NOW = "csp.websocket.write_now"
"""Extension of the scope: writes a text to the socket, or returns False when that has to wait."""

SIGNED_OUT = 4401
TRY_LATER = 1013
DATABASE_AWAY_TEXT = "The database does not answer. Reconnect in a moment."
CLOSE_S = 2.0
REAUTHENTICATE_S = 30.0


class _Closing(Exception):
    """The gateway ends this socket, for this reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class _Gone(Exception):
    """The client has left."""


class Connection:
    """One open socket."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        who: Principal,
        session_id: str,
        subscription: Subscription,
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._state: GatewayState = state_of(HTTPConnection(scope))
        self._who = who
        self._session = session_id
        self._subscription = subscription
        self._check_timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Until either side ends it; leaves no task behind."""
        connections = self._state.metrics.websocket_connections
        connections.inc()
        try:
            await self._serve()
        except* _Closing as group:
            await self._close(_first(group))
        except* _Gone:
            pass
        except* DATABASE_AWAY as group:
            # A send that was not acknowledged is sent again under its client id.
            log.warning("socket_without_database", session_id=self._session, error=str(group))
            await self._close(_Closing(TRY_LATER, DATABASE_AWAY_TEXT))
        except* Exception as group:
            log.error("socket_failed", session_id=self._session, exc_info=group)
            await self._close(_Closing(1011, "Something went wrong: reconnect."))
        finally:
            connections.dec()
            if self._check_timer is not None:
                self._check_timer.cancel()
            await self._subscription.close()

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._subscription.on_drop(lambda: self._drop(tasks))
            write_now = self._scope.get("extensions", {}).get(WRITE_NOW)
            if write_now is not None:
                self._subscription.write_by(write_now)
            self._check_later(tasks)
            tasks.create_task(self._write(), name="ws-write")
            await self._read()

    async def _close(self, why: _Closing) -> None:
        message = {"type": "websocket.close", "code": why.code, "reason": why.reason}
        with suppress(RuntimeError, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._send(message)

    # ---- to the client

    async def _write(self) -> None:
        async for frame in self._subscription:
            if frame.kind == "closed":
                raise _Closing(frame.code, frame.reason)
            await self._text(frame.text)

    async def _text(self, text: str) -> None:
        try:
            await self._send({"type": "websocket.send", "text": text})
        except OSError:  # what uvicorn raises when the client has left
            raise _Gone from None

    def _drop(self, tasks: asyncio.TaskGroup) -> None:
        closing = _Closing(SLOW, "Too slow: reconnect with the last seq that you have.")
        _spawn(tasks, _end(closing), "ws-slow")

    # ---- who it is

    def _check_later(self, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        self._check_timer = loop.call_later(
            REAUTHENTICATE_S, lambda: _spawn(tasks, self._check(tasks), "ws-check")
        )

    async def _check(self, tasks: asyncio.TaskGroup) -> None:
        """Ends the socket of a person who has signed out, or whose key was revoked."""
        try:
            await authenticate(HTTPConnection(self._scope))
        except Unauthenticated:
            raise _Closing(SIGNED_OUT, "You are signed out.") from None
        except (ApiError, *DATABASE_AWAY) as error:
            log.debug("reauthentication_waits", error=str(error))
        self._check_later(tasks)

    # ---- from the client

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                raise _Gone
            await self._text(await self._answer(message.get("text")))

    async def _answer(self, text: str | None) -> str:
        client_id: str | None = None
        try:
            body = _parse(text)
            if body.get("type") == "ping":
                return '{"type":"pong"}'
            if body.get("type") != "send":
                raise InvalidRequest("type: send or ping are possible")
            client_id = _client_id(body)
            logged = await self._commit(client_id, body.get("events"))
        except ApiError as error:
            log.info("send_refused", request_id=client_id, reason=error.message)
            answer = {**error.body(), "client_id": client_id}
            return orjson.dumps(answer).decode()
        data = [{"id": event.id, "type": event.type, "seq": event.seq} for event in logged]
        return orjson.dumps({"type": "ack", "client_id": client_id, "data": data}).decode()

    async def _commit(self, client_id: str, events: object) -> Sequence[LoggedEvent]:
        """Each send is a request of its own, which goes by its client id."""
        with structlog.contextvars.bound_contextvars(request_id=client_id):
            return await self._state.sessions.send(
                self._who,
                self._session,
                events,
                client_id=client_id,
                request_hash=None,
                is_retry=False,
                subscribed=True,
            )


def _spawn(tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str) -> None:
    try:
        tasks.create_task(work, name=name)
    except RuntimeError:  # the socket is ending for another reason
        work.close()


async def _end(why: _Closing) -> None:
    raise why


def _first(group: BaseExceptionGroup[_Closing]) -> _Closing:
    """Of all reasons to close: they do not differ much, and one is enough."""
    first = group.exceptions[0]
    assert isinstance(first, _Closing)  # the group of one TaskGroup is flat
    return first


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
