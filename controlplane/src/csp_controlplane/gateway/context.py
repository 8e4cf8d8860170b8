"""The outermost layer of every request: correlation, headers, metrics, one log line, no traceback.

Plain ASGI, because a layer that builds request objects costs more than many of the requests.
"""

from __future__ import annotations

import re
import time
from typing import Any

import asyncpg
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from csp_controlplane.correlation import is_traceparent, new_traceparent
from csp_controlplane.domain.ids import new_id
from csp_controlplane.errors import ApiError, InvalidRequest, Unavailable
from csp_controlplane.gateway.answers import error_response
from csp_controlplane.gateway.metrics import GatewayMetrics
from csp_controlplane.gateway.security import HEADERS, PAGE_POLICY
from csp_controlplane.runtime.protocol import NoCapacity, RuntimeUnavailable

log = structlog.get_logger(__name__)

_REQUEST_ID = re.compile(r"^[A-Za-z0-9_.\-]{1,128}$")
QUIET = "/api/v1/health/"

AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    OSError,
    TimeoutError,
)
"""What the driver raises when PostgreSQL is away or does not answer in time."""


class RequestContext:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, metrics: GatewayMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id, traceparent = correlation(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id, traceparent=traceparent)
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        await self._request(scope, receive, send, request_id)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        finally:
            log.info(
                "socket",
                path=scope["path"],
                duration_ms=round((time.perf_counter() - started) * 1000, 2),
            )

    async def _request(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _decorate(MutableHeaders(scope=message), request_id)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            if status:
                log.error("answer_cut", exc_info=error)
                raise
            await error_response(_translate(error), request_id)(scope, receive, sending)
        finally:
            self._account(scope, status, time.perf_counter() - started)

    def _account(self, scope: Scope, status: int, seconds: float) -> None:
        # 499: the client went away before there was an answer.
        status = status or 499
        route = scope.get("route")
        template = getattr(route, "path_format", None) or getattr(route, "path", None) or "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.request(method, template, status, seconds)
        if scope["path"].startswith(QUIET):
            return
        level = log.warning if status >= 500 else log.info
        level(
            "request",
            method=method,
            path=scope["path"],
            status=status,
            duration_ms=round(seconds * 1000, 2),
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def correlation(headers: Headers) -> tuple[str, str]:
    """(request id, W3C traceparent): the caller's if they are well-formed, new ones otherwise."""
    request_id = headers.get("x-request-id", "")
    if not _REQUEST_ID.match(request_id):
        request_id = new_id("req")
    traceparent = headers.get("traceparent", "")
    if not is_traceparent(traceparent):
        traceparent = new_traceparent()
    return request_id, traceparent


def _decorate(headers: MutableHeaders, request_id: str) -> None:
    headers["request-id"] = request_id
    for name, value in HEADERS:
        headers.setdefault(name, value)
    headers.setdefault("content-security-policy", PAGE_POLICY)
    headers.setdefault("cache-control", "no-store")


def _translate(error: Exception) -> ApiError:
    """What the caller is told; the log gets the rest."""
    if isinstance(error, AWAY):
        log.warning("database_away", error=str(error), kind=type(error).__name__)
        return Unavailable("The database does not answer. Try again in a moment.")
    if isinstance(error, RuntimeUnavailable | NoCapacity):
        log.warning("runtime_away", error=str(error))
        return Unavailable("The part that runs workers does not answer. Try again in a moment.")
    if isinstance(error, UnicodeEncodeError | asyncpg.exceptions.CharacterNotInRepertoireError):
        return InvalidRequest("The request contains characters that cannot be stored.")
    log.error("request_failed", exc_info=error)
    return _internal()


def _internal() -> ApiError:
    return ApiError(
        "Something went wrong in the gateway. Try again; if it stays, give your administrator "
        "the name of this request."
    )


def request_id_of(scope: Any) -> str | None:
    """The id that this request goes by in logs and answers."""
    found: str | None = scope.get("state", {}).get("request_id")
    return found
