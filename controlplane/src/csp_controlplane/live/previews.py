"""The open previews of one session in this gateway: what a returning client lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from csp_controlplane.live.frames import DELTA, START, Piece, PreviewItem

PREVIEWED = ("agent.message", "agent.thinking")
MAX_OPEN_BYTES = 8 * 1024 * 1024
REMEMBERED = 64
"""Events whose fact has come: pieces of them may still be on their way from the worker."""


@dataclass(slots=True)
class _Open:
    """The pieces of one event; `end` is the offset at which its text goes on."""

    end: int = 0
    size: int = 0
    pieces: list[Piece] = field(default_factory=list)

    def items(self) -> list[PreviewItem]:
        return [PreviewItem._make(piece) for piece in self.pieces]


class OpenPreviews:
    """Pieces by event id, in order, until the fact comes or the preview is withdrawn."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._bytes = 0
        # Nothing at all in a session that rests: there are thousands of them.
        self._settled: tuple[str, ...] = ()

    def add(self, pieces: Iterable[Piece]) -> list[Piece]:
        """Keeps the pieces; returns those that are new (a re-attached worker repeats itself)."""
        fresh = []
        size = 0
        for piece in pieces:
            event_id, _, kind, offset, length, payload = piece
            entry = self._open.get(event_id)
            if kind == DELTA:
                if entry is None or offset != entry.end:
                    continue
                entry.end = offset + length
            elif kind == START and entry is None and event_id not in self._settled:
                entry = self._open[event_id] = _Open()
            else:
                continue
            entry.pieces.append(piece)
            entry.size += len(payload)
            fresh.append(piece)
            size += len(payload)
        self._bytes += size
        if self._bytes > MAX_OPEN_BYTES:
            self._bound()
        return fresh

    def settle(self, event_id: str) -> None:
        """The fact has come: what is late of its preview is shown to nobody."""
        self._settled = (*self._settled[1 - REMEMBERED :], event_id)
        self.drop(event_id)

    def drop(self, event_id: str) -> bool:
        """Forgets one preview. False when there was none."""
        entry = self._open.pop(event_id, None)
        if entry is None:
            return False
        self._bytes -= entry.size
        return True

    def ids(self) -> list[str]:
        return list(self._open)

    def missing(self, have: Mapping[str, int]) -> list[Piece]:
        """What a client lacks that has these offsets (bytes of text) of these events."""
        result: list[Piece] = []
        for event_id, entry in self._open.items():
            offset = have.get(event_id)
            items = entry.items()
            known = offset is not None and any(
                item.offset == offset or item.offset + item.length == offset for item in items
            )
            result.extend(
                item
                for item in items
                if not known or (item.kind == "delta" and item.offset >= (offset or 0))
            )
        return result

    def partial_texts(self, limit: int) -> list[dict[str, str]]:
        """The text that clients saw of open messages, at most `limit` bytes in all."""
        result = []
        for event_id, entry in self._open.items():
            items = entry.items()
            if items[0].event_type != "agent.message":
                continue
            text = "".join(_text(item.payload) for item in items if item.kind == "delta")
            encoded = text.encode("utf-8", "replace")[:limit]
            limit -= len(encoded)
            if encoded:
                result.append({"event_id": event_id, "text": encoded.decode("utf-8", "ignore")})
        return result

    def _bound(self) -> None:
        while self._bytes > MAX_OPEN_BYTES and len(self._open) > 1:
            self.drop(next(iter(self._open)))


def _text(payload: bytes) -> str:
    try:
        event: Any = orjson.loads(payload)
        return str(event["delta"]["content"].get("text", ""))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return ""
