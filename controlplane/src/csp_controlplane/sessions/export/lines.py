"""A session as JSON Lines: one object a line, in an order that can be read in one pass.

The first line says what it is, then come the events of the log with their seq, then the lines of
the transcript that a worker resumes from, and the last line says how many there were of each: a
file that was cut off is noticed. What a line may be is checked here; an error names the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from csp_controlplane.domain.branching import MARK_TYPES, Course, Mark
from csp_controlplane.domain.vocabulary import MAX_EVENT_BYTES
from csp_controlplane.errors import InvalidRequest

VERSION = 1
MAX_EVENTS = 500_000
MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_TITLE = 500
_ID = re.compile(r"^sevt_[0-9A-Za-z]{1,64}$")
_TYPE = re.compile(r"^(user|agent|session|span)\.[a-z_]{1,48}$")


class Head(BaseModel):
    """The first line."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["csp.session"] = "csp.session"
    version: Literal[1] = 1
    id: str = Field(max_length=128)
    title: str | None = Field(None, max_length=MAX_TITLE)
    agent: str | None = Field(None, max_length=500, description="Its name, for people.")
    model: str | None = Field(None, max_length=256)
    created_at: datetime
    exported_at: datetime
    claude_session_id: str | None = Field(None, pattern=r"^[0-9a-f-]{36}$")


@dataclass(frozen=True, slots=True)
class EventLine:
    seq: int
    id: str
    type: str
    payload: bytes
    at: datetime | None


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    subpath: str
    entry: bytes


Line = Head | EventLine | TranscriptLine


def head_line(head: Head) -> bytes:
    return head.model_dump_json().encode() + b"\n"


def transcript_line(subpath: str, entry: str) -> bytes:
    """The entry's bytes stay as they are."""
    where = orjson.dumps(subpath)
    return b'{"type":"csp.transcript","subpath":%b,"entry":%b}\n' % (where, entry.encode())


def end_line(events: int, transcript: int) -> bytes:
    return b'{"type":"csp.end","events":%d,"transcript":%d}\n' % (events, transcript)


class Checker:
    """Reads a file line by line. What is open at its end is in `course`."""

    def __init__(self) -> None:
        self.course = Course()
        self.events = 0
        self.transcript = 0
        self._ids: set[str] = set()
        self._state: Literal["head", "events", "transcript", "ended"] = "head"

    def read(self, raw: Iterable[bytes]) -> Iterator[Line]:
        """What the lines are, in order. Raises InvalidRequest naming the line."""
        number = 0
        for number, line in enumerate(raw, start=1):
            if line.strip():
                yield from self._line(number, line)
        if self._state != "ended":
            raise InvalidRequest(
                f"The file ends early, after line {number}: its last line has to be csp.end. "
                "Export the session again."
            )

    def _line(self, number: int, line: bytes) -> Iterator[Line]:
        if len(line) > MAX_LINE_BYTES:
            raise _bad(number, f"it is longer than {MAX_LINE_BYTES} bytes")
        try:
            body = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise _bad(number, f"it is not JSON: {error}") from None
        if not isinstance(body, dict):
            raise _bad(number, "it is not a JSON object")
        if self._state == "ended":
            raise _bad(number, "nothing may follow csp.end")
        if self._state == "head":
            yield _head(number, body)
            self._state = "events"
        elif body.get("type") == "csp.end":
            self._end(number, body)
        elif body.get("type") == "csp.transcript":
            yield self._transcript(number, line, body)
        else:
            yield self._event(number, line, body)

    def _event(self, number: int, line: bytes, body: dict[str, Any]) -> EventLine:
        if self._state != "events":
            raise _bad(number, "an event stands behind the transcript; events come first")
        seq, id_, type_ = self.events + 1, body.get("id"), body.get("type")
        if body.get("seq") != seq:
            raise _bad(number, f"seq has to be {seq}, it is {str(body.get('seq'))[:20]}")
        if not isinstance(type_, str) or not _TYPE.match(type_):
            raise _bad(number, f"{str(type_)[:40]!r} is no type of event")
        if not isinstance(id_, str) or not _ID.match(id_):
            raise _bad(number, f"{str(id_)[:40]!r} is no id of an event (sevt_…)")
        if id_ in self._ids:
            raise _bad(number, f"the id {id_} was there before")
        payload = _payload(line, body, seq)
        if len(payload) > MAX_EVENT_BYTES:
            raise _bad(number, f"an event has at most {MAX_EVENT_BYTES} bytes")
        if seq > MAX_EVENTS:
            raise _bad(number, f"a session has at most {MAX_EVENTS} events here")
        self._ids.add(id_)
        self.events = seq
        if type_ in MARK_TYPES:
            self._mark(number, Mark(seq, id_, type_, body))
        return EventLine(seq, id_, type_, payload, _moment(number, body.get("processed_at")))

    def _mark(self, number: int, mark: Mark) -> None:
        ids = mark.body.get("message_ids", [])
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            raise _bad(number, "message_ids is not a list of ids")
        self.course.take(mark)

    def _transcript(self, number: int, line: bytes, body: dict[str, Any]) -> TranscriptLine:
        self._state = "transcript"
        subpath, entry = body.get("subpath"), body.get("entry")
        if not isinstance(subpath, str) or len(subpath) > 500 or not isinstance(entry, dict):
            raise _bad(number, "csp.transcript needs subpath, a text, and entry, an object")
        self.transcript += 1
        before = b'{"type":"csp.transcript","subpath":%b,"entry":' % orjson.dumps(subpath)
        whole = line.strip()
        as_it_was = whole.startswith(before) and list(body) == ["type", "subpath", "entry"]
        return TranscriptLine(
            subpath, whole[len(before) : -1] if as_it_was else orjson.dumps(entry)
        )

    def _end(self, number: int, body: dict[str, Any]) -> None:
        counted = {"events": self.events, "transcript": self.transcript}
        for name, count in counted.items():
            if body.get(name) != count:
                told = str(body.get(name))[:20]
                raise _bad(number, f"csp.end tells of {told} lines of {name}, there are {count}")
        self._state = "ended"


def _head(number: int, body: dict[str, Any]) -> Head:
    if body.get("type") != "csp.session":
        raise _bad(number, "the first line has to be csp.session: this is no exported session")
    if body.get("version") != VERSION:
        told = str(body.get("version"))[:20]
        raise _bad(number, f"version {told} is not known here, only {VERSION}")
    try:
        return Head.model_validate_json(orjson.dumps(body))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _bad(number, f"{place}: {first['msg']}") from None


def _payload(line: bytes, body: dict[str, Any], seq: int) -> bytes:
    """The bytes that were exported, when nobody wrote the line anew."""
    before = b'{"seq":%d,' % seq
    begins = b'{"id":%b,"type":%b' % (orjson.dumps(body["id"]), orjson.dumps(body["type"]))
    same = b"{" + line.strip()[len(before) :]
    if line.startswith(before) and same.startswith(begins):
        return same
    rest = {key: value for key, value in body.items() if key not in ("seq", "id", "type")}
    return orjson.dumps({"id": body["id"], "type": body["type"], **rest})


def _moment(number: int, text: Any) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise _bad(number, f"processed_at: {str(text)[:40]!r} is no time") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _bad(number: int, what: str) -> InvalidRequest:
    return InvalidRequest(f"Line {number}: {what}. Nothing was imported.")
