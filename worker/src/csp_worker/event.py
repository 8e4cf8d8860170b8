"""One whole fact: its id, its type and the JSON bytes that clients will receive.

Serialised once, here, and never parsed again on its way to a client. Envelope and payload cannot
differ, and a payload always begins with its id and type, which the gateway checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from csp_worker.text import TEXT_LIMIT, cap_json, clean_json

EVENT_LIMIT = 1_000_000
"""Bytes of one payload. The log refuses more than 1 MB."""


@dataclass(frozen=True, slots=True)
class Event:
    """A fact before it has a number."""

    id: str
    type: str
    payload: bytes


def encode(event_id: str, event_type: str, fields: dict[str, Any], now: datetime) -> Event:
    """Fields that are None are left out.

    Text is cut until the payload fits: escapes can make it six times longer than it was.
    """
    body: dict[str, Any] = {"id": event_id, "type": event_type}
    body["processed_at"] = now.astimezone(UTC).isoformat(timespec="milliseconds")
    body.update((key, value) for key, value in fields.items() if value is not None)
    payload = _dump(body)
    limit = TEXT_LIMIT
    while len(payload) > EVENT_LIMIT and limit > 512:
        limit //= 2
        body, cut = cap_json(body, limit)
        if cut:
            body["truncated_bytes"] = body.get("truncated_bytes", 0) + cut
        payload = _dump(body)
    if len(payload) > EVENT_LIMIT:
        kept = {key: body[key] for key in ("id", "type", "processed_at")}
        payload = orjson.dumps({**kept, "truncated_bytes": len(payload)})
    return Event(event_id, event_type, payload)


def _dump(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except (TypeError, ValueError):
        # Lone surrogates, integers beyond 64 bits, keys that are not text.
        return orjson.dumps(clean_json(body), default=str, option=orjson.OPT_NON_STR_KEYS)
