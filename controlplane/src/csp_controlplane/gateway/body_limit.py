"""How much a request may send, enforced while it is read.

The declared length is looked at first, so that most oversized bodies are refused without being
kept; a body that lies, or declares nothing, is stopped at the byte where it becomes too long.
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from csp_controlplane.errors import TooLarge
from csp_controlplane.gateway.answers import error_response
from csp_controlplane.gateway.context import request_id_of

UPLOADS = "/api/v1/files"
IMPORTS = "/api/v1/sessions/import"
DRAIN_BYTES = 32 * 1024 * 1024
DRAIN_S = 10.0
MULTIPART_ALLOWANCE = 64 * 1024
"""Bytes of boundaries and part headers around an uploaded file."""


class _TooLong(HTTPException):
    """Passes through FastAPI's reading of the body unchanged, unlike other exceptions."""

    def __init__(self) -> None:
        super().__init__(413)


class BodyLimit:
    """Wraps the application; sits inside RequestContext."""

    def __init__(self, app: ASGIApp, json_bytes: int, upload_bytes: int, import_bytes: int) -> None:
        self._app = app
        self._json = json_bytes
        self._larger = {UPLOADS: upload_bytes + MULTIPART_ALLOWANCE, IMPORTS: import_bytes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"], self._json)
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            await self._refuse(scope, receive, send, limit)
            return
        seen = 0
        started = False

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise _TooLong
            return message

        async def watching(message: Message) -> None:
            nonlocal started
            # The application answers for a body that it did not read to its end.
            if seen > limit and not started:
                return
            started = True
            await send(message)

        try:
            await self._app(scope, limited, watching)
        except _TooLong:
            if started:
                raise
        if seen > limit and not started:
            await self._refuse(scope, receive, send, limit)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        error = TooLarge(f"The body is too large: at most {limit} bytes are possible here.")
        response = error_response(error, request_id_of(scope))
        if not await _drained(receive):
            response.headers["connection"] = "close"
        await response(scope, receive, send)


async def _drained(receive: Receive) -> bool:
    """Throws away the rest of a body, within bounds: a client that still sends reads no answer."""
    seen = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            while seen < DRAIN_BYTES:
                message = await receive()
                seen += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return True
    except TimeoutError:
        return False
    return False
