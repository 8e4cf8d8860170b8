"""The open previews of one session in this gateway: what a returning client lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from csp_controlplane.live.frames import PreviewItem

MAX_OPEN_BYTES = 8 * 1024 * 1024


class OpenPreviews:
    """Pieces by event id, in order, until the fact comes or the preview is withdrawn."""

    def __init__(self) -> None:
        self._open: dict[str, list[PreviewItem]] = {}
        self._bytes = 0

    def add(self, items: Iterable[PreviewItem]) -> list[PreviewItem]:
        """Keeps the pieces; returns those that are new (a re-attached worker repeats itself)."""
        fresh = []
        for item in items:
            pieces = self._open.get(item.event_id)
            if item.kind == "start":
                if pieces is not None:
                    continue
                self._open[item.event_id] = [item]
            elif pieces is None or item.offset != _end(pieces):
                continue
            else:
                pieces.append(item)
            self._bytes += len(item.payload)
            fresh.append(item)
        self._bound()
        return fresh

    def drop(self, event_id: str) -> bool:
        """Forgets one preview. False when there was none."""
        pieces = self._open.pop(event_id, None)
        if pieces is None:
            return False
        self._bytes -= sum(len(piece.payload) for piece in pieces)
        return True

    def ids(self) -> list[str]:
        return list(self._open)

    def missing(self, have: Mapping[str, int]) -> list[PreviewItem]:
        """What a client lacks that has these offsets (bytes of text) of these events."""
        result: list[PreviewItem] = []
        for event_id, pieces in self._open.items():
            offset = have.get(event_id)
            known = offset is not None and any(
                piece.offset == offset or piece.offset + piece.length == offset for piece in pieces
            )
            result.extend(
                piece
                for piece in pieces
                if not known or (piece.kind == "delta" and piece.offset >= (offset or 0))
            )
        return result

    def partial_texts(self, limit: int) -> list[dict[str, str]]:
        """The text that clients saw of open messages, at most `limit` bytes in all."""
        result = []
        for event_id, pieces in self._open.items():
            if pieces[0].event_type != "agent.message":
                continue
            text = "".join(_text(piece.payload) for piece in pieces if piece.kind == "delta")
            encoded = text.encode("utf-8", "replace")[:limit]
            limit -= len(encoded)
            if encoded:
                result.append({"event_id": event_id, "text": encoded.decode("utf-8", "ignore")})
        return result

    def _bound(self) -> None:
        while self._bytes > MAX_OPEN_BYTES and len(self._open) > 1:
            self.drop(next(iter(self._open)))


def _end(pieces: list[PreviewItem]) -> int:
    last = pieces[-1]
    return last.offset + last.length if last.kind == "delta" else 0


def _text(payload: bytes) -> str:
    try:
        event: Any = orjson.loads(payload)
        return str(event["delta"]["content"].get("text", ""))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return ""
