"""Server-sent events for clients that are no browsers, in the form that Anthropic's client reads.

The stream ends when the session is deleted, when its reader is too slow, or when the gateway
stops; a reader comes back with Last-Event-ID and misses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

import orjson
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from csp_controlplane.errors import (
    ApiError,
    Conflict,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from csp_controlplane.gateway.state import GatewayState
from csp_controlplane.live.frames import AHEAD, SLOW, Frame
from csp_controlplane.live.subscription import Subscription
from csp_controlplane.live.wakeup import Wakeup
from csp_controlplane.store.database import DATABASE_AWAY

log = structlog.get_logger(__name__)

HEARTBEAT_S = 15.0
SEND_S = 30.0
END_S = 1.0
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
TOO_SLOW = b"event: error\ndata: %b\n\n" % orjson.dumps(
    RateLimited("Too slow: open the stream again with the last id that you have.").body()
)


class Body(Protocol):
    """Sends a piece of the answer. Raises TimeoutError when the reader takes nothing."""

    async def __call__(self, data: bytes, *, more: bool = True) -> None: ...


class EventStream(Response):
    """The answer that goes on. Owns its subscription.

    `check` runs from time to time and raises Unauthenticated once the reader is signed out.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        subscription: Subscription,
        state: GatewayState,
        deltas: frozenset[str],
        check: Callable[[], Awaitable[None]],
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        super().__init__(headers={"x-accel-buffering": "no", "cache-control": "no-store"})
        del self.headers["content-length"]
        self._subscription = subscription
        self._state = state
        self._deltas = deltas
        self._check = check
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def body(data: bytes, *, more: bool = True) -> None:
            async with asyncio.timeout(SEND_S if more else END_S):
                await send({"type": "http.response.body", "body": data, "more_body": more})

        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        # Something at once, so that clients and proxies see that the stream is open.
        await body(b": open\n\n")
        dropped = Wakeup()
        self._subscription.on_drop(dropped.set)
        ends = [
            asyncio.create_task(self._events(body), name="sse-events"),
            asyncio.create_task(self._heartbeat(body), name="sse-heartbeat"),
            asyncio.create_task(_gone(receive), name="sse-gone"),
            asyncio.create_task(self._state.closing.wait(), name="sse-closing"),
            asyncio.create_task(dropped.wait(), name="sse-dropped"),
        ]
        self._state.metrics.event_streams.inc()
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._state.metrics.event_streams.dec()
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            await self._subscription.close()
        with suppress(OSError, TimeoutError):
            for task in done:
                task.result()
            await body(TOO_SLOW if self._subscription.dropped else b"", more=False)

    async def _events(self, body: Body) -> None:
        async for frame in self._subscription:
            if data := encode_frame(frame, self._deltas):
                await body(data)
            if frame.kind == "closed":
                return

    async def _heartbeat(self, body: Body) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            await body(PING)
            try:
                await self._check()
            except Unauthenticated as error:
                await body(b"event: error\ndata: %b\n\n" % orjson.dumps(error.body()))
                return
            except (ApiError, *DATABASE_AWAY) as error:
                log.debug("stream_check_waits", error=str(error))


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def encode_frame(frame: Frame, deltas: frozenset[str]) -> bytes:
    """The bytes of one frame; empty for what this stream does not show."""
    match frame.kind:
        case "events":
            return b"".join(
                [
                    b"event: %b\nid: %d\ndata: %b\n\n"
                    % (event.type.encode(), event.seq, event.with_seq())
                    for event in frame.events
                ]
            )
        case "previews":
            return b"".join(
                [
                    b"event: event_%b\ndata: %b\n\n" % (preview.kind.encode(), preview.payload)
                    for preview in frame.previews
                    if preview.event_type in deltas
                ]
            )
        case "closed":
            return _ending(frame)
        case _:
            return b""


def _ending(frame: Frame) -> bytes:
    """Why the stream ends: an error that the client raises, nothing for an ordinary end."""
    kinds: dict[int, Any] = {AHEAD: Conflict, SLOW: RateLimited}
    if frame.code < 4000:
        kinds[frame.code] = Unavailable
    kind = kinds.get(frame.code)
    if kind is None:
        return b""
    return b"event: error\ndata: %b\n\n" % orjson.dumps(kind(frame.reason).body())
