"""What the proxy says itself instead of passing an answer on: sentences for a person, in the shape
of the API's errors, so that the CLI shows them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import orjson
from starlette.requests import Request
from starlette.responses import Response

from csp_controlplane.domain.ids import new_id

# The CLI repeats a request unless it is told that this would not help.
FINAL = MappingProxyType({"x-should-retry": "false"})
_NONE: Mapping[str, str] = MappingProxyType({})


class Refusal(Exception):
    """A request that is answered here."""

    def __init__(
        self, status: int, type_: str, message: str, headers: Mapping[str, str] = _NONE
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type_
        self.message = message
        self.headers = headers

    def response(self) -> Response:
        body = {
            "type": "error",
            "error": {"type": self.type, "message": self.message},
            "request_id": new_id("mreq"),
        }
        return Response(
            orjson.dumps(body),
            self.status,
            headers=dict(self.headers),
            media_type="application/json",
        )


async def refuse(_request: Request, error: Exception) -> Response:
    """For the application's table of exception handlers."""
    if not isinstance(error, Refusal):
        raise error
    return error.response()


def no_handle() -> Refusal:
    return Refusal(
        401,
        "authentication_error",
        "This request carries no session handle. Only workers of running sessions may use the "
        "model proxy.",
        FINAL,
    )


def unknown_handle() -> Refusal:
    return Refusal(
        401,
        "authentication_error",
        "This session's access to the model has ended, because another worker took over or the "
        "session was closed. Send the message again from the session's page.",
        FINAL,
    )


def not_served(path: str) -> Refusal:
    return Refusal(404, "not_found_error", f"The model proxy does not serve {path[:100]}.", FINAL)


def too_large(limit: int) -> Refusal:
    return Refusal(
        413,
        "request_too_large",
        f"The conversation is larger than the {limit // 1_000_000} MB that a request may have. "
        "Start a new session, or attach smaller files.",
        FINAL,
    )


def malformed(problem: str) -> Refusal:
    return Refusal(400, "invalid_request_error", problem, FINAL)


def model_not_allowed(model: str, allowed: tuple[str, ...]) -> Refusal:
    return Refusal(
        403,
        "permission_error",
        f"The model {model[:100]!r} is not allowed here. Allowed: {', '.join(allowed)}. Choose "
        "another one, or ask the administrator to add it to CSP_PROXY_MODELS.",
        FINAL,
    )


def no_key() -> Refusal:
    return Refusal(
        401,
        "authentication_error",
        "No API key for the model provider is set. Set ANTHROPIC_API_KEY and start again.",
        FINAL,
    )


def key_refused() -> Refusal:
    return Refusal(
        401,
        "authentication_error",
        "The model provider refused the API key of this installation. Set ANTHROPIC_API_KEY to a "
        "valid key and start again.",
        FINAL,
    )


def unreachable(host: str) -> Refusal:
    return Refusal(
        502,
        "api_error",
        f"The model provider at {host} cannot be reached. Check the network, or the address in "
        "CSP_PROXY_UPSTREAM_URL.",
    )


def silent(host: str, seconds: float) -> Refusal:
    return Refusal(
        504, "timeout_error", f"The model provider at {host} did not answer within {seconds:g} s."
    )


def held_back(seconds: float) -> Refusal:
    wait = max(1, round(seconds))
    return Refusal(
        529,
        "overloaded_error",
        "The model provider has failed several times in a row, so requests are held back for a "
        f"moment. It will be tried again in {wait} s by itself.",
        {"retry-after": str(wait)},
    )


def turn_not_begun(seconds: float) -> Refusal:
    return Refusal(
        529,
        "overloaded_error",
        f"The beginning of this turn was not recorded within {seconds:g} s, so the model was not "
        "asked. It will be tried again by itself.",
        {"retry-after": "1"},
    )


def busy() -> Refusal:
    return Refusal(
        529,
        "overloaded_error",
        "The model proxy serves as many requests as it can. Try again in a moment.",
        {"retry-after": "2"},
    )


def database_away(seconds: float) -> Refusal:
    return Refusal(
        503,
        "api_error",
        "The database has been away for too long, so the cost of this request could not be "
        f"recorded. Sessions go on without it for {seconds:g} s. Try again when it is back.",
        {"retry-after": "5"},
    )


def budget_used_up() -> Refusal:
    return Refusal(
        402,
        "billing_error",
        "This session's budget is used up. Raise it, or go on in a new session.",
        FINAL,
    )
