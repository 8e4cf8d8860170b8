"""Forks: a session that begins as another one did, and the family that comes of it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from csp_controlplane.gateway.answers import JsonResponse
from csp_controlplane.gateway.auth import Reader, Writer
from csp_controlplane.gateway.routes import API
from csp_controlplane.gateway.schemas.branches import (
    BranchAnswer,
    BranchList,
    ForkCreate,
    Rewind,
)
from csp_controlplane.gateway.schemas.sessions import SessionAnswer
from csp_controlplane.gateway.state import state_of
from csp_controlplane.gateway.views import session_view
from csp_controlplane.sessions.branches import ForkRequest
from csp_controlplane.store import audit
from csp_controlplane.store.branches import Branch

router = APIRouter(prefix=f"{API}/sessions/{{session_id}}", tags=["branches"])


@router.post("/fork", response_model=SessionAnswer)
async def fork_session(
    request: Request, who: Writer, session_id: str, body: ForkCreate
) -> Response:
    """Ours: a new session with the conversation and the files as they were before a message."""
    state = state_of(request)
    asked = ForkRequest(
        at=body.at,
        title=body.title or None,
        initial_events=[
            event.model_dump(mode="json", exclude_none=True) for event in body.initial_events or ()
        ],
    )
    record = await state.sessions.branches.fork(who, session_id, asked)
    await audit.record(
        state.db, who.tenant, who.user_id, "session.fork", record.id, {"parent": session_id}
    )
    return JsonResponse(session_view(record))


@router.post("/rewind", response_model=SessionAnswer)
async def rewind_session(request: Request, who: Writer, session_id: str, body: Rewind) -> Response:
    """Ours: takes the files back to what they were before a message; the conversation stays.

    A running turn is interrupted.
    """
    state = state_of(request)
    record = await state.sessions.branches.take_files_back(who, session_id, body.to)
    await audit.record(
        state.db, who.tenant, who.user_id, "session.rewind", session_id, {"to": body.to}
    )
    return JsonResponse(session_view(record))


@router.get("/branches")
async def list_branches(request: Request, who: Reader, session_id: str) -> BranchList:
    """Ours: what this session was forked from, and what was forked from any of them."""
    found = await state_of(request).sessions.branches.family(who, session_id)
    return BranchList(data=[_view(branch) for branch in found])


def _view(branch: Branch) -> BranchAnswer:
    return BranchAnswer(
        id=branch.id,
        parent=branch.parent,
        forked_seq=branch.forked_seq,
        forked_message=branch.forked_message,
        title=branch.title,
        said=branch.said,
        state=branch.state,
        seq=branch.last_seq,
        created_at=branch.created_at,
        last_event_at=branch.last_event_at,
        archived_at=branch.archived_at,
    )
