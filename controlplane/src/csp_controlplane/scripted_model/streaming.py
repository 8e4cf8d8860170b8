"""Sends a planned stream as an ASGI response, at a reader's pace.

Starlette's own streaming response cannot close a connection in the middle on purpose, which is what
a cut is: this one returns without a final chunk, and the server closes the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Scope, Send

from csp_controlplane.scripted_model.answers import Message
from csp_controlplane.scripted_model.wire import Chunk

_YIELD_EVERY = 64


class EventStream:
    """One streamed answer. Ends early, without a trace, when the client goes away."""

    def __init__(
        self,
        message: Message,
        chunks: Iterable[Chunk],
        headers: Mapping[str, str],
        word_s: float,
        ended: Callable[[str], None],
    ) -> None:
        self._message = message
        self._chunks = chunks
        self._headers = headers
        self._ended = ended
        self._word_s = message.word_s if message.word_s is not None else word_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(send), name="scripted-stream")
        leaving = asyncio.create_task(_disconnected(receive), name="scripted-disconnect")
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            self._ended("sent" if sending.done() else "client_left")
            if sending.done():
                sending.result()
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        await asyncio.sleep(self._message.before_s)
        headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        headers.update(self._headers)
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(k.encode(), v.encode("latin-1")) for k, v in headers.items()],
            }
        )
        for number, chunk in enumerate(self._chunks):
            await send(_body(chunk.data))
            if chunk.pause and self._word_s:
                await asyncio.sleep(self._word_s)
            elif number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)  # one long answer must not hold up the others
        if self._message.ending == "stall":
            await asyncio.sleep(self._message.ending_s)
        if self._message.ending in ("cut", "stall"):
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _body(data: bytes) -> AsgiMessage:
    return {"type": "http.response.body", "body": data, "more_body": True}
