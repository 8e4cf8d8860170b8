"""How errors look on the wire: Anthropic's shape, for everything that can go wrong."""

from __future__ import annotations

import http
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from csp_controlplane import errors
from csp_controlplane.errors import (
    ApiError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

TABLE: tuple[type[ApiError], ...] = (
    InvalidRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    TooLarge,
    RateLimited,
    ApiError,
    Unavailable,
)
"""Every kind of refusal, in the order of its status. OpenAPI and the reference page show it."""

RETRY_AFTER_S = {RateLimited: 5, Unavailable: 2}


class MethodNotAllowed(InvalidRequest):
    """The path exists, the method does not."""

    status = 405


class JsonResponse(Response):
    """JSON by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def error_response(error: ApiError, request_id: str | None) -> Response:
    """The answer that says what went wrong."""
    body = {**error.body(), "request_id": request_id}
    headers = {}
    if isinstance(error, Conflict):
        # Anthropic's client would repeat it, and what was decided does not change by that.
        headers["x-should-retry"] = "false"
    for kind, seconds in RETRY_AFTER_S.items():
        if isinstance(error, kind):
            headers["retry-after"] = str(seconds)
    return JsonResponse(body, error.status, headers=headers)


def install(app: FastAPI) -> None:
    """Makes every error of the application take this shape."""

    async def known(request: Request, error: Exception) -> Response:
        return _answer(request, error if isinstance(error, ApiError) else ApiError(str(error)))

    async def malformed(request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else []
        return _answer(request, InvalidRequest(sentence(found)))

    async def http_error(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        answer = _answer(request, _from_http(request, status))
        if isinstance(error, HTTPException):
            answer.headers.update(error.headers or {})
        return answer

    app.add_exception_handler(ApiError, known)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, http_error)


def _answer(request: Request, error: ApiError) -> Response:
    return error_response(error, request.scope.get("state", {}).get("request_id"))


def _from_http(request: Request, status: int) -> ApiError:
    path = request.url.path[:200]
    match status:
        case 404:
            return NotFound(f"There is nothing at {path!r}.")
        case 405:
            return MethodNotAllowed(f"{request.method} is not possible at {path!r}.")
        case 413:
            return TooLarge("The body is too large.")
        case _ if 400 <= status < 500:
            return InvalidRequest(
                "The body could not be read: send what the content-type header says."
            )
        case _:
            return ApiError(http.HTTPStatus(status).phrase)


def sentence(found: Sequence[Mapping[str, Any]]) -> str:
    """One validation report as a sentence that names the place of the first mistake."""
    if not found:
        return "The request is not valid."
    first = found[0]
    message = str(first.get("msg", "not valid")).removeprefix("Value error, ")
    if first.get("type") == "json_invalid":
        reason = first.get("ctx", {}).get("error", "")
        return f"The body is not JSON: {reason} at character {first['loc'][-1]}."
    skipped = ("body", "query", "path", "header")
    place = ".".join(
        str(part)
        for index, part in enumerate(first.get("loc", ()))
        if not (index == 0 and part in skipped)
    )
    if not place:
        return message if first.get("type") != "missing" else "The body is missing: send JSON."
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    return f"{place}: {message}{more}"


def error_table() -> list[dict[str, Any]]:
    """status, type and meaning of every refusal: the one source of all documentation of them."""
    return [
        {"status": kind.status, "type": kind.type, "meaning": (kind.__doc__ or "").strip()}
        for kind in TABLE
    ]


__all__ = ["JsonResponse", "error_response", "error_table", "errors", "install", "sentence"]
