"""What bytes are, and how they may be shown: decided by the bytes first and the name second.

Whatever users or agents put into a file, a browser never runs it in the gateway's origin.
"""

from __future__ import annotations

import mimetypes
from typing import Final
from urllib.parse import quote

from csp_controlplane.gateway.security import CONTENT_POLICY

_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_TEXT_NAMES: Final = {
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".json": "application/json",
    ".txt": "text/plain",
}
"""Kinds of text that are worth telling apart for who downloads them again."""

IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
OCTETS: Final = "application/octet-stream"


def sniff(data: bytes) -> str | None:
    """The media type that the first bytes prove, if they prove one."""
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def is_text(data: bytes, *, whole: bool) -> bool:
    """UTF-8 without NUL. A part of a file may end in the middle of a character."""
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return not whole and error.start >= len(data) - 3 and error.reason != "invalid start byte"
    return True


def upload_type(name: str, data: bytes) -> str | None:
    """The media type of an upload, or None when it is of no kind that can be attached."""
    proven = sniff(data)
    if proven is not None:
        return proven
    if data and is_text(data, whole=True):
        suffix = name[name.rfind(".") :].lower() if "." in name else ""
        return _TEXT_NAMES.get(suffix, "text/plain")
    return None


def shown_type(name: str, first: bytes) -> str:
    """With which type a workspace file is served: nothing that a browser would run."""
    proven = sniff(first)
    if proven is not None:
        return proven
    if name.lower().endswith(".svg") and b"<svg" in first[:2000]:
        return "image/svg+xml"
    if is_text(first, whole=False):
        return "text/plain; charset=utf-8"
    guessed, _ = mimetypes.guess_type(name)
    kind = (guessed or "").split("/")[0]
    return guessed if guessed and kind in ("audio", "video", "font") else OCTETS


def content_headers(name: str, media_type: str, *, download: bool) -> dict[str, str]:
    """Headers of an answer whose bytes somebody else made."""
    attach = download or media_type == OCTETS
    kind = "attachment" if attach else "inline"
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in name)
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    return {
        "content-disposition": f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}",
        "content-security-policy": CONTENT_POLICY,
        "cache-control": "private, no-store",
    }


def safe_name(name: str | None) -> str:
    """The last part of a file name, without what confuses terminals and file systems."""
    last = (name or "").replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c for c in last if c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF).strip()
    return kept[-255:] or "file"
