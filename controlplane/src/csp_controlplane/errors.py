"""What can go wrong for a caller of the API: one tree, one table of codes.

The message is for the person who made the request: what was wrong, where, and what to do. What a
log needs beyond that is bound to the log line, never put into the message. The shape on the wire is
Anthropic's: {"type": "error", "error": {"type": ..., "message": ...}}.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ApiError(Exception):
    """A refusal with a stable type, an HTTP status and a sentence for a person."""

    type: ClassVar[str] = "api_error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        error = {"type": self.type, "message": self.message, **self.fields}
        return {"type": "error", "error": error}


class InvalidRequest(ApiError):
    """The request is malformed or breaks a rule of the API."""

    type = "invalid_request_error"
    status = 400


class Unauthenticated(ApiError):
    """Nobody is signed in, or the key is unknown, expired or revoked."""

    type = "authentication_error"
    status = 401


class Forbidden(ApiError):
    """Signed in, but not allowed to do this."""

    type = "permission_error"
    status = 403


class NotFound(ApiError):
    """No such thing, or not the caller's: both look the same."""

    type = "not_found_error"
    status = 404


class Conflict(ApiError):
    """The thing is not in a state in which this can be done."""

    type = "conflict_error"
    status = 409


class TooLarge(ApiError):
    """The body or one message is over its limit."""

    type = "request_too_large"
    status = 413


class RateLimited(ApiError):
    """Too much at once: wait and try again."""

    type = "rate_limit_error"
    status = 429


class Unavailable(ApiError):
    """A part that the request needs is away: try again."""

    type = "overloaded_error"
    status = 503
