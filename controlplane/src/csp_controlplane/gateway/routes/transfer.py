"""Sessions as files: exported in three formats, imported from the one that is whole."""

from __future__ import annotations

import asyncio
import tempfile
from typing import IO, Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from csp_controlplane.errors import InvalidRequest
from csp_controlplane.gateway.agent_spec import to_spec
from csp_controlplane.gateway.answers import JsonResponse
from csp_controlplane.gateway.auth import Reader, Writer
from csp_controlplane.gateway.contents import content_headers
from csp_controlplane.gateway.routes import API
from csp_controlplane.gateway.schemas.agents import AgentDefinition
from csp_controlplane.gateway.schemas.sessions import Id, SessionAnswer
from csp_controlplane.gateway.state import state_of
from csp_controlplane.gateway.views import agent_snapshot, agent_view, session_view
from csp_controlplane.sessions.transfer import MEDIA_TYPE, Format
from csp_controlplane.store import agents, audit, environments

router = APIRouter(prefix=f"{API}/sessions", tags=["transfer"])

IN_MEMORY_BYTES = 4 * 1024**2


@router.get(
    "/{session_id}/export",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def export_session(
    request: Request,
    who: Reader,
    session_id: str,
    format_: Annotated[Format, Query(alias="format")] = "jsonl",
) -> Response:
    """Ours: the session as JSON Lines (whole: log and transcript), Markdown or one HTML file."""
    state = state_of(request)
    name, body = await state.sessions.transfer.export(who, session_id, format_)
    await audit.record(
        state.db, who.tenant, who.user_id, "session.export", session_id, {"format": format_}
    )
    headers = content_headers(name, MEDIA_TYPE[format_], download=True)
    return StreamingResponse(body, media_type=MEDIA_TYPE[format_], headers=headers)


@router.post(
    "/import",
    response_model=SessionAnswer,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        }
    },
)
async def import_session(
    request: Request,
    who: Writer,
    agent: Annotated[Id | None, Query(description="Who goes on with it.")] = None,
) -> Response:
    """Ours: a session from exported JSON Lines. A bad file is refused with the line's number.

    What the session may do comes from the agent (absent: the tenant's first), not from the file.
    """
    state = state_of(request)
    found = (
        await agents.get(state.db, who.tenant, agent)
        if agent is not None
        else await agents.default(state.db, who.tenant)
    )
    environment = await environments.default(state.db, who.tenant)
    if found is None or environment is None:
        raise InvalidRequest("There is no agent or environment yet to import a session for.")
    # A few at a time, as uploads: each is on this machine's disk until it is stored.
    async with state.uploads:
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as kept:
            await _keep(request, kept)
            record = await state.sessions.transfer.take(
                who,
                kept,
                agent=agent_snapshot(agent_view(found, state.settings.default_model)),
                spec=to_spec(AgentDefinition.model_validate(found.definition)),
                agent_id=found.id,
                agent_version=found.version,
                environment_id=environment.id,
            )
    await audit.record(state.db, who.tenant, who.user_id, "session.import", record.id)
    return JsonResponse(session_view(record))


async def _keep(request: Request, kept: IO[bytes]) -> None:
    async for chunk in request.stream():
        await asyncio.to_thread(kept.write, chunk)
    kept.seek(0)
