"""Cursors of lists: opaque to clients, checked when they come back."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

import orjson

from csp_controlplane.errors import InvalidRequest


def encode_cursor(*parts: str | int) -> str:
    """Where the next page begins, as text that a client hands back unchanged."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type) -> list[str | int]:
    """The parts of a cursor that `encode_cursor` made. Raises InvalidRequest for any other text."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        parts = None
    if (
        not isinstance(parts, list)
        or len(parts) != len(kinds)
        or any(type(part) is not kind for part, kind in zip(parts, kinds, strict=True))
    ):
        raise InvalidRequest(
            "page: this is not a cursor of this list. Use next_page of the answer before, "
            "or leave it out to begin at the start."
        )
    return parts


def time_cursor(created_at: datetime, id_: str) -> str:
    """A place in a list that is sorted by creation time and id."""
    return encode_cursor(created_at.isoformat(), id_)


def read_time_cursor(cursor: str | None) -> tuple[datetime | None, str]:
    """The place again; (None, "") for the beginning."""
    if cursor is None:
        return None, ""
    stamp, id_ = decode_cursor(cursor, str, str)
    try:
        moment = datetime.fromisoformat(str(stamp))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidRequest("page: this is not a cursor of this list.")
    return moment, str(id_)
