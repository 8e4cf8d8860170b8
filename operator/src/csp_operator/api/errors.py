"""What can go wrong between operator and API server, by what it means for the operator."""

from __future__ import annotations


class ApiError(Exception):
    """The API server refused a request. `message` is its own sentence, for people."""

    def __init__(self, message: str, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason


class NotFound(ApiError):
    """The object, or its namespace, is not there."""


class Conflict(ApiError):
    """The object is another one than the writer thought: version, uid, or the name is taken."""

    @property
    def exists(self) -> bool:
        return self.reason == "AlreadyExists"


class Invalid(ApiError):
    """The object would not be valid, or the test of a JSON patch failed."""


class Forbidden(ApiError):
    """Not allowed: by RBAC, a quota, an admission policy or a namespace that is going away."""


class Away(ApiError):
    """No answer, or one that says nothing. `known` means that nothing was written; otherwise a
    write may have gone through, and what is the case must be read before anything else."""

    def __init__(self, message: str, *, known: bool, status: int = 0) -> None:
        super().__init__(message, status)
        self.known = known


_BY_STATUS: dict[int, type[ApiError]] = {
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: Invalid,
}


def from_status(status: int, reason: str, message: str) -> ApiError:
    """The error for an HTTP status and what the API server's Status object says."""
    if status == 429 or status == 401:
        return Away(message, known=True, status=status)
    if status >= 500:
        return Away(message, known=False, status=status)
    return _BY_STATUS.get(status, ApiError)(message, status, reason)
