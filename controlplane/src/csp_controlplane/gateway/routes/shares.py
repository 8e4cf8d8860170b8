"""Links that show one session: made and revoked by its owner, used by whoever has one.

Who comes with a link is nobody: not signed in, no tenant, no principal. The routes below `/shared`
know the one session that the token names and read nothing else. The token comes in a header, so
that it is in no address, no log and no referrer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from csp_controlplane.domain.events import LoggedEvent
from csp_controlplane.errors import NotFound
from csp_controlplane.gateway.auth import Reader, Writer
from csp_controlplane.gateway.contents import IMAGES, content_headers
from csp_controlplane.gateway.routes import API
from csp_controlplane.gateway.schemas.events import EventPage, page_bytes
from csp_controlplane.gateway.schemas.shares import (
    ShareAnswer,
    ShareCreate,
    ShareCreated,
    SharedSession,
    ShareList,
)
from csp_controlplane.gateway.state import GatewayState, state_of
from csp_controlplane.store import shares
from csp_controlplane.store.log import LogQuery, query_log
from csp_controlplane.store.shares import Share, Shared

router = APIRouter(prefix=API, tags=["shares"])

HEADER = "x-share-token"
_SHOWN = (
    "user.message", "user.message_update", "user.message_cancel", "user.tool_confirmation",
    "agent.", "span.turn_", "session.notice", "session.error", "session.status_",
    "session.thread_created",
)  # fmt: skip
"""Types, or how they begin. What the rest tells (costs, settings) is the owner's alone."""
_PRIVATE = ("user_id", "client_id", "request_id")

Token = Annotated[str, Header(alias=HEADER, max_length=200)]


@router.post("/sessions/{session_id}/shares")
async def create_share(
    request: Request, who: Writer, session_id: str, body: ShareCreate
) -> ShareCreated:
    """Ours: a read-only link to what the session holds now."""
    state = state_of(request)
    record = await state.sessions.get(who, session_id)
    expires = datetime.now(UTC) + timedelta(hours=body.expires_in_hours)
    share, token = await shares.create(state.db, who, record.id, record.last_seq, expires)
    origin = state.settings.public_url or str(request.base_url).rstrip("/")
    return ShareCreated(**_fields(share), url=f"{origin}/shared#{token}")


@router.get("/sessions/{session_id}/shares")
async def list_shares(request: Request, who: Reader, session_id: str) -> ShareList:
    """Ours: the session's links, newest first."""
    state = state_of(request)
    record = await state.sessions.get(who, session_id)
    found = await shares.of_session(state.db, who.tenant, record.id)
    return ShareList(data=[ShareAnswer(**_fields(share)) for share in found])


@router.delete("/sessions/{session_id}/shares/{share_id}")
async def revoke_share(
    request: Request, who: Writer, session_id: str, share_id: str
) -> ShareAnswer:
    """Ours: from now on the link shows nothing."""
    state = state_of(request)
    record = await state.sessions.get(who, session_id)
    return ShareAnswer(**_fields(await shares.revoke(state.db, who, record.id, share_id)))


# ---- who has the link ---------------------------------------------------------------------------


@router.get("/shared")
async def open_shared(request: Request, token: Token) -> SharedSession:
    """Ours: what the link in the header shows. Each opening is counted and audited."""
    state = state_of(request)
    shared = await _find(state, token)
    await shares.opened(state.db, shared, request.client.host if request.client else "unknown")
    return SharedSession(
        title=shared.title,
        agent=shared.agent,
        seq=shared.through_seq,
        created_at=shared.created_at,
        expires_at=shared.expires_at,
    )


@router.get("/shared/events", response_model=EventPage)
async def list_shared_events(
    request: Request,
    token: Token,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> Response:
    """Ours: events in seq order. What a link does not show has the type `hidden`."""
    state = state_of(request)
    shared = await _find(state, token)
    end = min(before or shared.through_seq + 1, shared.through_seq + 1)
    query = LogQuery(limit=limit, after=after, before=end)
    found = await query_log(state.db, shared.tenant, shared.month, shared.session_id, query)
    body = page_bytes([_shown(event) for event in found.events], b"null")
    return Response(body, media_type="application/json")


@router.get(
    "/shared/files/{file_id}",
    response_class=Response,
    responses={200: {"content": {"image/*": {}}}},
)
async def read_shared_file(request: Request, token: Token, file_id: str) -> Response:
    """Ours: a picture of a shown message."""
    state = state_of(request)
    found = await shares.picture(state.db, await _find(state, token), file_id)
    if found is None or found[0] not in IMAGES:
        raise NotFound("This link shows no such picture.")
    headers = content_headers("picture", found[0], download=False)
    return Response(found[1], media_type=found[0], headers=headers)


async def _find(state: GatewayState, token: str) -> Shared:
    shared = await shares.find(state.db, token)
    if shared is None:
        raise NotFound(
            "This link shows nothing: it has expired, was revoked, or is not complete. Ask whoever "
            "gave it to you for a new one."
        )
    return shared


def _shown(event: LoggedEvent) -> bytes:
    if not event.type.startswith(_SHOWN):
        return orjson.dumps({"seq": event.seq, "id": event.id, "type": "hidden"})
    if not any(f'"{name}"'.encode() in event.raw for name in _PRIVATE):
        return event.with_seq()
    body = orjson.loads(event.raw)
    kept = {key: value for key, value in body.items() if key not in _PRIVATE}
    return orjson.dumps({"seq": event.seq, **kept})


def _fields(share: Share) -> dict[str, object]:
    return {
        "id": share.id,
        "hint": share.hint,
        "seq": share.through_seq,
        "created_at": share.created_at,
        "expires_at": share.expires_at,
        "revoked_at": share.revoked_at,
        "opened": share.opened,
        "opened_at": share.opened_at,
    }
