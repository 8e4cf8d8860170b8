"""Errors of the model and the CLI in plain words: what happened, and what to do. Pure.

The CLI's own texts are written for a developer at a terminal. What a person reads here names the
cause as far as it is known and the next step; the original goes to the log of the worker.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed model request: a stable type, a sentence, and whether trying again can help."""

    type: str
    message: str
    again: bool


_BY_STATUS: dict[int, Failure] = {
    400: Failure(
        "invalid_request_error", "The model refused this request as malformed. {detail}", False
    ),
    401: Failure(
        "authentication_error",
        "The model service does not accept this deployment's key. An administrator has to check "
        "it.",
        False,
    ),
    402: Failure(
        "billing_error",
        "The budget for model requests is used up. An administrator can raise it.",
        False,
    ),
    403: Failure(
        "permission_error",
        "The model service refuses this request. {detail}",
        False,
    ),
    404: Failure("not_found_error", "The model does not exist or is not allowed here.", False),
    413: Failure(
        "request_too_large",
        "The conversation or an attachment is too large for the model. Start a new session or "
        "send less.",
        False,
    ),
    429: Failure(
        "rate_limit_error",
        "The model service is limiting requests at the moment. Wait a little and send it again.",
        True,
    ),
    503: Failure(
        "api_error", "The model service is not available now. Try again in a minute.", True
    ),
    529: Failure(
        "overloaded_error", "The model is overloaded at the moment. Try again in a minute.", True
    ),
}
_UNREACHABLE = Failure(
    "connection_error",
    "The model service cannot be reached at the moment. Try again in a minute; if it stays so, an "
    "administrator has to check the network.",
    True,
)
_SERVER = Failure(
    "api_error", "The model service had an internal error. Send your message again.", True
)
_LOST = Failure(
    "connection_error",
    "The connection to the model was lost before the answer was complete. Send your message again.",
    True,
)

_ALL_STEPS = "The agent used all the steps it may take for one answer. Send a message to go on."
TERMINAL_REASONS: dict[str, str] = {
    "max_turns": _ALL_STEPS,
    "error_max_turns": _ALL_STEPS,
    "prompt_too_long": (
        "The conversation is too long for the model. Start a new session, or ask for a summary."
    ),
    "error_max_structured_output_retries": (
        "The agent did not manage to answer in the required form. Ask again, perhaps more simply."
    ),
}
NO_ANSWER = "The agent stopped without finishing its answer. Send your message again."


def model_failure(status: int | None, detail: str) -> Failure:
    """`detail` is the CLI's text; only what a person can act on of it is shown."""
    if status is None:
        return _LOST
    if status in (502, 504):
        return _UNREACHABLE
    known = _BY_STATUS.get(status, _SERVER if status >= 500 else _BY_STATUS[400])
    shown = detail.removeprefix("API Error:").strip()[:300]
    return Failure(known.type, known.message.format(detail=shown).strip(), known.again)
