"""Events that are still being written: what of them has been shown, and what waits to be sent.

Consecutive pieces of one event merge until they are sent. The board also answers what a gateway
that attaches in the middle has to be told, and what was visible when the CLI died.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from csp_proto import worker_pb2 as pb
from csp_worker.text import clean

PreviewType = Literal["agent.message", "agent.thinking"]


@dataclass(slots=True)
class _Open:
    event_id: str
    event_type: PreviewType
    start: pb.Preview
    sent: list[str] = field(default_factory=list)
    sent_bytes: int = 0
    waiting: list[str] = field(default_factory=list)


class PreviewBoard:
    """Open previews of one session, in the order in which they began."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._pending: list[pb.Preview | _Open] = []
        self._new = False

    @property
    def has_pending(self) -> bool:
        return bool(self._pending)

    @property
    def has_new(self) -> bool:
        """Whether an event is waiting to be announced."""
        return self._new

    def start(self, event_id: str, event_type: PreviewType, parent: str | None) -> None:
        """A new event begins to be written."""
        body: dict[str, Any] = {
            "type": "event_start",
            "event": {"id": event_id, "type": event_type},
        }
        if parent:
            body["parent_tool_use_id"] = parent
        preview = pb.Preview(
            event_id=event_id,
            event_type=event_type,
            kind=pb.Preview.START,
            payload=orjson.dumps(body),
        )
        self._open[event_id] = _Open(event_id, event_type, preview)
        self._pending.append(preview)
        self._new = True

    def extend(self, event_id: str, text: str) -> None:
        """More of its text."""
        entry = self._open.get(event_id)
        if entry is None or not text:
            return
        if not entry.waiting:
            self._pending.append(entry)
        entry.waiting.append(text)

    def finish(self, event_id: str) -> None:
        """Its fact exists now."""
        self._open.pop(event_id, None)

    def withdraw(self, event_id: str) -> None:
        """Its fact will never exist."""
        entry = self._open.pop(event_id, None)
        if entry is not None:
            self._pending.append(
                pb.Preview(
                    event_id=event_id, event_type=entry.event_type, kind=pb.Preview.WITHDRAWN
                )
            )

    def flush(self) -> list[pb.Preview]:
        """What has to be sent now; pieces of one event as one."""
        pending, self._pending = self._pending, []
        self._new = False
        return [_piece(item) if isinstance(item, _Open) else item for item in pending]

    def snapshot(self) -> list[pb.Preview]:
        """Everything that is open, from its beginning. Only right after a flush."""
        found: list[pb.Preview] = []
        for entry in self._open.values():
            found.append(entry.start)
            text = "".join(entry.sent)
            if text:
                found.append(_delta(entry, 0, text))
        return found

    def partial(self, limit: int) -> list[dict[str, str]]:
        """Text that was visible of answers without a fact, within `limit` bytes in all."""
        found = []
        for entry in self._open.values():
            text = "".join(entry.sent) + "".join(entry.waiting)
            if entry.event_type == "agent.message" and text and limit > 0:
                raw = clean(text).encode()[:limit]
                limit -= len(raw)
                text = raw.decode("utf-8", "ignore")
                found.append({"event_id": entry.event_id, "text": text})
        return found

    def open_ids(self) -> list[str]:
        return list(self._open)


def _piece(entry: _Open) -> pb.Preview:
    text = clean("".join(entry.waiting))
    entry.waiting.clear()
    preview = _delta(entry, entry.sent_bytes, text)
    entry.sent.append(text)
    entry.sent_bytes += preview.length
    return preview


def _delta(entry: _Open, offset: int, text: str) -> pb.Preview:
    if entry.event_type == "agent.thinking":
        content = {"type": "thinking", "thinking": text}
    else:
        content = {"type": "text", "text": text}
    body = {
        "type": "event_delta",
        "event_id": entry.event_id,
        "offset": offset,
        "delta": {"type": "content_delta", "index": 0, "content": content},
    }
    return pb.Preview(
        event_id=entry.event_id,
        event_type=entry.event_type,
        kind=pb.Preview.DELTA,
        offset=offset,
        length=len(text.encode()),
        payload=orjson.dumps(body),
    )
