"""Building control-plane events: their ids, their bytes, their sentences for a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that is decided upon and not yet written."""

    id: str
    type: str
    payload: bytes
    dedup_key: str | None = None


class LoggedEvent(NamedTuple):
    """An event of the log. `raw` is its JSON exactly as stored; seq is not in it.

    A tuple, because there is one for every event and every client.
    """

    seq: int
    id: str
    type: str
    raw: bytes

    def with_seq(self) -> bytes:
        """The JSON with `seq` as its first field, as lists and streams show it."""
        return b'{"seq":%d,%b' % (self.seq, self.raw[1:])


@dataclass(frozen=True, slots=True)
class EventFactory:
    """Makes events with an injected clock and id source."""

    now: Callable[[], datetime]
    new_id: Callable[[str], str]

    def make(self, type_: str, fields: dict[str, Any], *, dedup_key: str | None = None) -> NewEvent:
        """The payload begins with id and type and carries processed_at."""
        id_ = self.new_id("sevt")
        stamp = self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = {"id": id_, "type": type_, "processed_at": stamp, **fields}
        return NewEvent(id_, type_, orjson.dumps(body), dedup_key)
