"""Uploads: images, PDFs and texts that messages refer to by id. Each belongs to one user."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import Response

from csp_controlplane.errors import InvalidRequest, TooLarge
from csp_controlplane.gateway.auth import Reader, Writer
from csp_controlplane.gateway.contents import content_headers, safe_name, upload_type
from csp_controlplane.gateway.routes import API
from csp_controlplane.gateway.routes.lists import Cursor, Limit, many
from csp_controlplane.gateway.schemas.common import Deleted, Page
from csp_controlplane.gateway.schemas.files import FileAnswer
from csp_controlplane.gateway.state import state_of
from csp_controlplane.gateway.views import file_view
from csp_controlplane.store import files

router = APIRouter(prefix=f"{API}/files", tags=["files"])

_UPLOAD_FORM = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        }
    },
}


@router.post("", openapi_extra={"requestBody": _UPLOAD_FORM})
async def upload_file(request: Request, who: Writer) -> FileAnswer:
    """Stores an image (PNG, JPEG, GIF, WebP), a PDF or a UTF-8 text."""
    state = state_of(request)
    # A few at a time: each is in memory until it is stored.
    async with state.uploads:
        name, data = await _uploaded(request, state.settings.upload_bytes)
        media_type = upload_type(name, data)
        if media_type is None:
            raise InvalidRequest(
                f"file: {name!r} is empty or of a kind that cannot be attached. Possible are "
                "PNG, JPEG, GIF and WebP images, PDFs and UTF-8 texts."
            )
        stored = await files.save(
            state.db, who.tenant, who.user_id, name=name, media_type=media_type, data=data
        )
    return file_view(stored)


@router.get("")
async def list_files(
    request: Request, who: Reader, limit: Limit = 20, page: Cursor = None
) -> Page[FileAnswer]:
    """Your uploads, newest first."""
    found, following = await files.page(
        state_of(request).db,
        who.tenant,
        who.user_id,
        limit=limit,
        cursor=page,
        ids=many(request, "ids"),
    )
    return Page(data=[file_view(file) for file in found], next_page=following)


@router.get("/{file_id}")
async def get_file(request: Request, who: Reader, file_id: str) -> FileAnswer:
    return file_view(await files.get(state_of(request).db, who.tenant, who.user_id, file_id))


@router.get(
    "/{file_id}/content",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def read_file(
    request: Request, who: Reader, file_id: str, download: bool = False
) -> Response:
    """The bytes, as they were uploaded."""
    file, data = await files.read(state_of(request).db, who.tenant, who.user_id, file_id)
    text = file.media_type.startswith("text/")
    media_type = "text/plain; charset=utf-8" if text else file.media_type
    headers = content_headers(file.name, media_type, download=download)
    return Response(data, media_type=media_type, headers=headers)


@router.delete("/{file_id}")
async def delete_file(request: Request, who: Writer, file_id: str) -> Deleted:
    """Messages that were sent with it keep what they had."""
    await files.delete(state_of(request).db, who.tenant, who.user_id, file_id)
    return Deleted(id=file_id, type="file_deleted")


async def _uploaded(request: Request, limit: int) -> tuple[str, bytes]:
    try:
        async with request.form(max_files=1, max_fields=10) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise InvalidRequest("file: send multipart/form-data with one part named file")
            data = await file.read(limit + 1)
            name = safe_name(file.filename)
    except MultiPartException as error:
        raise InvalidRequest(f"The form could not be read: {error.message}") from None
    except HTTPException as error:
        if error.status_code == 413:
            raise
        raise InvalidRequest(f"The form could not be read: {error.detail}") from None
    if len(data) > limit:
        raise TooLarge(f"The file is too large: at most {limit} bytes are possible.")
    return name, data
