"""What the log lines, the events and the worker of one request have in common.

A request has an id: the caller's `x-request-id`, or the `client_id` of a message on a socket. It is
bound to every line that is logged on the request's behalf and written into the events that the
request commits, so that it reaches whoever acts on them, also another gateway after a restart. A
trace belongs to what is longer: it goes with the worker that a request has caused to be bound.
"""

from __future__ import annotations

import re
import secrets
from contextvars import Context

from structlog.contextvars import bind_contextvars, get_contextvars

_TRACEPARENT = re.compile(r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")


def request_id() -> str | None:
    """Of the request on whose behalf this code runs, if there is one."""
    found: str | None = get_contextvars().get("request_id")
    return found


def traceparent() -> str:
    """W3C; of what caused this, or a new one."""
    return str(get_contextvars().get("traceparent") or new_traceparent())


def is_traceparent(text: str) -> bool:
    return _TRACEPARENT.match(text) is not None


def new_traceparent() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def of_session(tenant: str, session: str) -> Context:
    """A context for work on a session that outlives the request which began it.

    Its lines name the session and the trace, but not the request or who made it: most of what will
    be done there is for others.
    """
    fields = {"tenant": tenant, "session_id": session, "traceparent": traceparent()}
    context = Context()
    context.run(bind_contextvars, **fields)
    return context
