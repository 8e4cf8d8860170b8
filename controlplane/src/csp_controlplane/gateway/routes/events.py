"""A session's log over HTTP: sending to it, reading it page by page, streaming it."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from csp_controlplane.errors import InvalidRequest
from csp_controlplane.gateway.auth import Reader, Writer, authenticate
from csp_controlplane.gateway.routes import API
from csp_controlplane.gateway.routes.lists import created_filters, many
from csp_controlplane.gateway.schemas.common import Text
from csp_controlplane.gateway.schemas.events import (
    EventPage,
    Order,
    SendEvents,
    SentEvents,
    page_bytes,
)
from csp_controlplane.gateway.sse import EventStream
from csp_controlplane.gateway.state import state_of
from csp_controlplane.store.pages import decode_cursor, encode_cursor

router = APIRouter(prefix=f"{API}/sessions/{{session_id}}", tags=["events"])

MAX_KEY = 128
_PREVIEWED = ("agent.message", "agent.thinking")


@router.post(
    "/events",
    response_model=SentEvents,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/SendEvents"}}
            },
        }
    },
)
async def send_events(request: Request, who: Writer, session_id: str) -> Response:
    """Accepted means committed. An `idempotency-key` header makes sending again harmless."""
    raw = await request.body()
    body = _json(raw)
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= MAX_KEY:
        raise InvalidRequest(f"idempotency-key: 1 to {MAX_KEY} characters are possible")
    events: Any = body.get("events")  # the core says what is wrong with it
    logged = await state_of(request).sessions.send(
        who,
        session_id,
        events,
        client_id=key,
        request_hash=hashlib.sha256(raw).hexdigest(),
        is_retry=_retries(request) > 0,
    )
    data = b'{"data":[' + b",".join([event.with_seq() for event in logged]) + b"]}"
    return Response(data, media_type="application/json")


@router.get("/events", response_model=EventPage)
async def list_events(
    request: Request,
    who: Reader,
    session_id: str,
    limit: Annotated[int, Query(ge=1, le=1000, description="Results per page.")] = 100,
    page: Annotated[Text | None, Query(max_length=500)] = None,
    order: Order = "asc",
    after: Annotated[int, Query(ge=0, le=2**53, description="Ours: only beyond this seq.")] = 0,
    before: Annotated[
        int | None, Query(ge=1, le=2**53, description="Ours: only below this seq.")
    ] = None,
) -> Response:
    """The log in seq order. `types[]` and `created_at[...]` narrow it.

    A page holds less than `limit` where events are large: `next_page` says whether there is more.
    """
    place = _place(page, order)
    found = await state_of(request).sessions.events(
        who,
        session_id,
        after=max(after, place) if order == "asc" and place is not None else after,
        before=place if order == "desc" and place is not None else before,
        limit=limit,
        order=order,
        types=many(request, "types"),
        created=created_filters(request) or None,
    )
    following = orjson.dumps(encode_cursor(order, found.events[-1].seq)) if found.more else b"null"
    body = page_bytes([event.with_seq() for event in found.events], following)
    return Response(body, media_type="application/json")


@router.get(
    "/events/stream",
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events: event is the type, id the seq, data the event.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def stream_events(
    request: Request,
    who: Reader,
    session_id: str,
    after: Annotated[
        int | None, Query(ge=0, le=2**53, description="Ours: begin after this seq.")
    ] = None,
) -> Response:
    """Events as they happen, from the end of the log unless `after` or Last-Event-ID says where.

    `event_deltas[]=agent.message` adds event_start and event_delta while text is written.
    """
    deltas = many(request, "event_deltas") or []
    for name in deltas:
        if name not in _PREVIEWED:
            raise InvalidRequest(f"event_deltas: {name[:40]!r} is none of {', '.join(_PREVIEWED)}")
    state = state_of(request)
    begin = after if after is not None else _last_event_id(request)
    if begin is None:
        begin = (await state.sessions.get(who, session_id)).last_seq
    subscription = await state.sessions.subscribe(
        who, session_id, after=begin, tail=None, previews={}
    )

    async def still_signed_in() -> None:
        await authenticate(request)

    return EventStream(subscription, state, frozenset(deltas), still_signed_in)


def _json(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise InvalidRequest('The body is not a JSON object: send {"events": [...]}.')
    unknown = set(body) - set(SendEvents.model_fields)
    if unknown:
        raise InvalidRequest(f"{min(unknown)[:40]}: there is no such field, only events")
    return body


def _retries(request: Request) -> int:
    text = request.headers.get("x-stainless-retry-count", "0")
    return int(text) if text.isdigit() and len(text) < 4 else 0


def _place(cursor: str | None, order: Order) -> int | None:
    if cursor is None:
        return None
    direction, seq = decode_cursor(cursor, str, int)
    if direction != order:
        raise InvalidRequest(f"page: this cursor is for order={direction}, not {order}")
    return int(seq)


def _last_event_id(request: Request) -> int | None:
    text = request.headers.get("last-event-id")
    if text is None:
        return None
    if not text.isdigit() or len(text) > 15:
        raise InvalidRequest("last-event-id: a seq, which is a whole number")
    return int(text)
