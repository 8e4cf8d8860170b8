"""The built page: hashed assets for ever, index.html fresh, every other path of a browser the page.

Files are looked up once at start, so that a request can name nothing outside.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from csp_controlplane.errors import NotFound
from csp_controlplane.gateway.pages import message_page

FOREVER: Final = "public, max-age=31536000, immutable"
FRESH: Final = "no-cache"
_NOT_PAGES: Final = ("api/", "metrics", "assets/")
_NOT_BUILT: Final = (
    "The gateway runs, but the page has not been built. Run `make build-page` (`make run` does it "
    "too), or set CSP_STATIC_DIR to a built page. The API is at /api/v1."
)


def static_router(directory: Path | None) -> APIRouter:
    """Routes for everything that is not the API; include them last."""
    router = APIRouter(include_in_schema=False)
    files = _files(directory)
    index = files.get("index.html")

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def page(request: Request, path: str) -> Response:
        if path in files and path != "index.html":
            file = files[path]
            cache = FOREVER if path.startswith("assets/") else FRESH
            media_type, _ = mimetypes.guess_type(file.name)
            return FileResponse(file, media_type=media_type, headers={"cache-control": cache})
        if path.startswith(_NOT_PAGES) or "." in path.rsplit("/", 1)[-1]:
            raise NotFound(f"There is nothing at {request.url.path[:200]!r}.")
        if index is None:
            return HTMLResponse(message_page("csp is running", _NOT_BUILT), 503)
        return FileResponse(index, media_type="text/html", headers={"cache-control": FRESH})

    return router


def _files(directory: Path | None) -> dict[str, Path]:
    if directory is None or not directory.is_dir():
        return {}
    return {
        file.relative_to(directory).as_posix(): file
        for file in sorted(directory.rglob("*"))
        if file.is_file()
    }
