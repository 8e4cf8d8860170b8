"""The built page: hashed assets for ever, index.html fresh, every other path of a browser the page.

Files are looked up once at start, so that a request can name nothing outside. The build leaves
compressed copies beside them (`name.br`, `name.gz`), which go to browsers that take them. The one
script that stands in index.html itself is allowed by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from csp_controlplane.errors import NotFound
from csp_controlplane.gateway.pages import message_page
from csp_controlplane.gateway.security import page_policy

FOREVER: Final = "public, max-age=31536000, immutable"
FRESH: Final = "no-cache"
_NOT_PAGES: Final = ("api/", "metrics", "assets/")
_NOT_BUILT: Final = (
    "The gateway runs, but the page has not been built. Run `make build-page` (`make run` does it "
    "too), or set CSP_STATIC_DIR to a built page. The API is at /api/v1."
)
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
"""Name in the header and suffix of the copy, the smallest first."""
_INLINE_SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _File:
    """One file of the page and its compressed copies, by encoding."""

    path: Path
    copies: dict[str, Path]

    def answer(self, headers: Headers, own: dict[str, str]) -> FileResponse:
        """The smallest copy that the caller takes."""
        media_type, _ = mimetypes.guess_type(self.path.name)
        if not self.copies:
            return FileResponse(self.path, media_type=media_type, headers=own)
        own = {**own, "vary": "accept-encoding"}
        accepted = _accepted(headers)
        for encoding, copy in self.copies.items():
            if encoding in accepted:
                own["content-encoding"] = encoding
                return FileResponse(copy, media_type=media_type, headers=own)
        return FileResponse(self.path, media_type=media_type, headers=own)


def static_router(directory: Path | None) -> APIRouter:
    """Routes for everything that is not the API; include them last."""
    router = APIRouter(include_in_schema=False)
    files = _files(directory)
    index = files.pop("index.html", None)
    index_headers = {"cache-control": FRESH}
    if index is not None:
        scripts = _INLINE_SCRIPT.findall(index.path.read_bytes())
        index_headers["content-security-policy"] = page_policy(map(_hash, scripts))

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def page(request: Request, path: str) -> Response:
        if path in files:
            cache = FOREVER if path.startswith("assets/") else FRESH
            return files[path].answer(request.headers, {"cache-control": cache})
        if path.startswith(_NOT_PAGES) or "." in path.rsplit("/", 1)[-1]:
            raise NotFound(f"There is nothing at {request.url.path[:200]!r}.")
        if index is None:
            return HTMLResponse(message_page("csp is running", _NOT_BUILT), 503)
        return index.answer(request.headers, index_headers)

    return router


def _files(directory: Path | None) -> dict[str, _File]:
    if directory is None or not directory.is_dir():
        return {}
    found = sorted(path for path in directory.rglob("*") if path.is_file())
    suffixes = tuple(suffix for _, suffix in _ENCODINGS)
    return {
        path.relative_to(directory).as_posix(): _File(path, _copies(path))
        for path in found
        if not path.name.endswith(suffixes)
    }


def _copies(path: Path) -> dict[str, Path]:
    beside = {name: path.with_name(path.name + suffix) for name, suffix in _ENCODINGS}
    return {name: copy for name, copy in beside.items() if copy.is_file()}


def _accepted(headers: Headers) -> set[str]:
    """Encodings that the caller names and does not refuse."""
    accepted = set()
    for entry in headers.get("accept-encoding", "").split(","):
        name, _, parameter = entry.partition(";")
        if parameter.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            accepted.add(name.strip().lower())
    return accepted


def _hash(script: bytes) -> str:
    """What a content security policy calls a script that stands in the page itself."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
