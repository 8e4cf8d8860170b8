"""What a session's worker knows: its working directory and its context window."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from csp_controlplane.errors import InvalidRequest
from csp_controlplane.gateway.auth import Reader
from csp_controlplane.gateway.contents import content_headers, shown_type
from csp_controlplane.gateway.routes import API
from csp_controlplane.gateway.schemas.common import Text
from csp_controlplane.gateway.schemas.events import ContextUsage
from csp_controlplane.gateway.schemas.files import WorkspaceListing
from csp_controlplane.gateway.state import state_of

router = APIRouter(prefix=f"{API}/sessions/{{session_id}}", tags=["workspace"])

Path = Annotated[Text, Query(max_length=4096, description="Relative to the workspace.")]


@router.get("/context", response_model=ContextUsage)
async def get_context(request: Request, who: Reader, session_id: str) -> dict[str, Any]:
    """How full the context window is. Costs token counts: ask when a person asks."""
    return await state_of(request).sessions.context_usage(who, session_id)


@router.get("/files", response_model=WorkspaceListing)
async def list_workspace(
    request: Request, who: Reader, session_id: str, path: Path = ""
) -> dict[str, Any]:
    """One level of the working directory."""
    return await state_of(request).sessions.list_files(who, session_id, path)


@router.get(
    "/files/content",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def read_workspace_file(
    request: Request,
    who: Reader,
    session_id: str,
    path: Path,
    download: Annotated[bool, Query(description="As an attachment.")] = False,
    max_bytes: Annotated[int, Query(ge=0, le=2**40, description="0 is the whole file.")] = 0,
) -> Response:
    """The bytes of one file of the working directory."""
    if not path:
        raise InvalidRequest("path: name a file")
    chunks = state_of(request).sessions.read_file(who, session_id, path, max_bytes)
    # Whether the file is there shows with its first bytes, and must show in the status.
    first = await anext(chunks, b"")
    name = path.rsplit("/", 1)[-1]
    media_type = shown_type(name, first)
    return StreamingResponse(
        _rest(first, chunks),
        media_type=media_type,
        headers=content_headers(name, media_type, download=download),
    )


async def _rest(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(chunks) as rest:  # type: ignore[type-var]
        yield first
        async for chunk in rest:
            yield chunk
