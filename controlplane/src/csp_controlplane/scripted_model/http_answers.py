"""Headers, JSON answers and errors in the API's form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from csp_controlplane.scripted_model.answers import Failure
from csp_controlplane.scripted_model.wire import error_body, new_identifier

_LIMITS = {"requests": 4_000, "input-tokens": 2_000_000, "output-tokens": 400_000}
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Refused(Exception):
    """The request gets an error answer."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def api_headers() -> dict[str, str]:
    reset = (datetime.now(UTC) + timedelta(minutes=1)).isoformat(timespec="seconds")
    headers = {
        "request-id": new_identifier("req"),
        "anthropic-organization-id": "00000000-0000-4000-8000-000000000000",
    }
    for kind, limit in _LIMITS.items():
        headers[f"anthropic-ratelimit-{kind}-limit"] = str(limit)
        headers[f"anthropic-ratelimit-{kind}-remaining"] = str(limit - 1)
        headers[f"anthropic-ratelimit-{kind}-reset"] = reset.replace("+00:00", "Z")
    return headers


def json_response(content: bytes, headers: Mapping[str, str], status: int = 200) -> Response:
    return Response(content, status, headers=dict(headers), media_type="application/json")


async def refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, Refused):
        raise error
    failure = error.failure
    headers = {**api_headers(), **failure.headers}
    kind = failure.type or _TYPES.get(
        failure.status, "api_error" if failure.status >= 500 else "invalid_request_error"
    )
    body = error_body(kind, failure.message, headers["request-id"])
    return json_response(body, headers, failure.status)


async def not_served(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = api_headers()
    kind = _TYPES.get(status, "invalid_request_error")
    return json_response(error_body(kind, "Not found", headers["request-id"]), headers, status)
