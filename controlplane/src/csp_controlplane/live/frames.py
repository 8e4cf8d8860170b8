"""What a subscriber receives, with the WebSocket message made once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import orjson

from csp_controlplane.domain.events import LoggedEvent

PreviewKind = Literal["start", "delta"]
SLOW = 4408
AHEAD = 4409
DELETED = 4410
RESTART = 1012


Piece = tuple[str, str, int, int, int, bytes]
"""A PreviewItem as it comes off the wire: an object of each would cost more than the rest."""

START, DELTA, WITHDRAWN = range(3)
"""Preview.Kind of worker.proto."""


class PreviewItem(NamedTuple):
    """One piece of a preview. offset and length count bytes of UTF-8 text."""

    event_id: str
    event_type: str
    number: int
    offset: int
    length: int
    payload: bytes

    @property
    def kind(self) -> PreviewKind:
        return "delta" if self.number == DELTA else "start"


class Frame(NamedTuple):
    """One step of a subscription; `text` is the WebSocket message."""

    kind: Literal["events", "previews", "withdrawn", "caught_up", "closed"]
    text: str = ""
    events: Sequence[LoggedEvent] = ()
    pieces: Sequence[Piece] = ()
    event_id: str = ""
    seq: int = 0
    code: int = 0
    reason: str = ""

    @property
    def previews(self) -> list[PreviewItem]:
        return [PreviewItem._make(piece) for piece in self.pieces]


def events_frame(events: Sequence[LoggedEvent]) -> Frame:
    """Facts, contiguous from the first one's seq. Their bytes are joined, not parsed."""
    head = b'{"type":"events","first_seq":%d,"events":[' % events[0].seq
    text = head + b",".join([event.raw for event in events]) + b"]}"
    return Frame("events", _decoded(text), events=events, seq=events[-1].seq)


def replay_frame(first: int, last: int, events: str) -> Frame:
    """Facts as the log gave them, joined already; the frame does not hold them one by one."""
    return Frame("events", f'{{"type":"events","first_seq":{first},"events":[{events}]}}', seq=last)


def previews_frame(pieces: Sequence[Piece]) -> Frame:
    """Pieces of previews, as the worker serialised them."""
    body = b",".join([piece[5] for piece in pieces])
    text = b'{"type":"previews","events":[' + body + b"]}"
    return Frame("previews", _decoded(text), pieces=pieces)


def withdrawn_frame(event_id: str) -> Frame:
    text = orjson.dumps({"type": "preview_withdrawn", "event_id": event_id})
    return Frame("withdrawn", _decoded(text), event_id=event_id)


def caught_up_frame(seq: int) -> Frame:
    return Frame("caught_up", f'{{"type":"caught_up","seq":{seq}}}', seq=seq)


def closed_frame(code: int, reason: str) -> Frame:
    return Frame("closed", code=code, reason=reason)


def _decoded(text: bytes) -> str:
    """Once for all subscribers. A worker's bytes may be anything."""
    return text.decode("utf-8", "replace")
