"""Sessions out of and into files: export in three formats, import of the one that is whole."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from typing import Any, Literal

import orjson

from csp_controlplane.attach.core import Core
from csp_controlplane.domain import course
from csp_controlplane.domain.branching import Course
from csp_controlplane.domain.events import NewEvent
from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.principal import Principal
from csp_controlplane.domain.reading import Entry, Reader, Said
from csp_controlplane.domain.records import SessionRecord
from csp_controlplane.sessions.export import html, markdown
from csp_controlplane.sessions.export.html import Pictures
from csp_controlplane.sessions.export.lines import (
    Checker,
    EventLine,
    Head,
    TranscriptLine,
    end_line,
    head_line,
    transcript_line,
)
from csp_controlplane.sessions.ownership import own_record, own_row
from csp_controlplane.store import transfer
from csp_controlplane.store.sessions import NewSession, SessionRow
from csp_crds.agent import AgentSpec

Format = Literal["jsonl", "markdown", "html"]
SUFFIX: dict[Format, str] = {"jsonl": "jsonl", "markdown": "md", "html": "html"}
MEDIA_TYPE: dict[Format, str] = {
    "jsonl": "application/x-ndjson",
    "markdown": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
}
PICTURE_BYTES = 20 * 1024 * 1024
"""Of all pictures in one HTML file; what is beyond is named only."""
_UNFIT = re.compile(r"[^\w.-]+")


class Transfer:
    """See the module. Ownership is checked here."""

    def __init__(self, core: Core) -> None:
        self._core = core

    # ---- out

    async def export(
        self, who: Principal, session_id: str, format_: Format
    ) -> tuple[str, AsyncIterator[bytes]]:
        """The file's name and its bytes. Raises NotFound before the first byte."""
        row = await own_row(self._core.db, who, session_id)
        record = await own_record(self._core.db, who, session_id)
        stem = _UNFIT.sub("-", record.title or "session").strip("-.")[:60] or "session"
        name = f"{stem}.{SUFFIX[format_]}"
        if format_ == "jsonl":
            return name, self._lines(row, record)
        return name, self._readable(row, record, format_)

    async def _lines(self, row: SessionRow, record: SessionRecord) -> AsyncIterator[bytes]:
        db, through = self._core.db, row.last_seq
        head = Head(
            id=record.id,
            title=record.title,
            agent=record.agent.get("name"),
            model=record.model,
            created_at=record.created_at,
            exported_at=self._core.make.now(),
            claude_session_id=row.claude_session_id,
        )
        yield head_line(head)
        events = lines = 0
        async for event in transfer.events(db, row.tenant, row.month, row.id, through):
            yield event.with_seq() + b"\n"
            events += 1
        async for subpath, entry in transfer.transcript(db, row.tenant, row.month, row.id):
            yield transcript_line(subpath, entry)
            lines += 1
        yield end_line(events, lines)

    async def _readable(
        self, row: SessionRow, record: SessionRecord, format_: Format
    ) -> AsyncIterator[bytes]:
        title = record.title or "Session"
        facts = [
            ("Begun", f"{record.created_at:%Y-%m-%d %H:%M} UTC"),
            ("Agent", str(record.agent.get("name") or "Agent")),
            ("Model", record.model or "default"),
            ("Exported", f"{self._core.make.now():%Y-%m-%d %H:%M} UTC"),
        ]
        writer = html if format_ == "html" else markdown
        yield writer.head(title, facts).encode()
        reader = Reader()
        left = PICTURE_BYTES
        async for event in transfer.events(
            self._core.db, row.tenant, row.month, row.id, row.last_seq
        ):
            entries = reader.take(orjson.loads(event.raw))
            text, used = await self._written(row, entries, format_, left)
            left -= used
            if text:
                yield text
        yield (await self._written(row, reader.rest(), format_, left))[0]
        if format_ == "html":
            yield html.FOOT.encode()

    async def _written(
        self, row: SessionRow, entries: list[Entry], format_: Format, room: int
    ) -> tuple[bytes, int]:
        """The entries' bytes, and how many bytes of pictures are among them."""
        if format_ == "markdown":
            return "".join(markdown.entry(item) for item in entries).encode(), 0
        wanted = list(_uploads(entries))
        found: Pictures = (
            await transfer.pictures(self._core.db, row.tenant, row.owner, wanted, room)
            if wanted
            else {}
        )
        text = "".join(html.entry(item, found) for item in entries)
        return text.encode(), sum(len(data) for _, data in found.values())

    # ---- in

    async def take(
        self,
        who: Principal,
        raw: Iterable[bytes],
        *,
        agent: dict[str, Any],
        spec: AgentSpec,
        agent_id: str,
        agent_version: int,
        environment_id: str,
    ) -> SessionRecord:
        """A session with the file's log and transcript, all of it or nothing.

        What it may do comes from the agent that is named here, never from the file. With a
        transcript it can be gone on with; without one it can only be read. Raises InvalidRequest
        naming the line.
        """
        checker = Checker()
        lines = checker.read(raw)
        head = next(lines)
        assert isinstance(head, Head)  # what the checker gives first
        resumes = head.claude_session_id is not None
        now = self._core.make.now()
        new = NewSession(
            id=self._core.make.new_id("sesn"),
            month=now.date().replace(day=1),
            tenant=who.tenant,
            owner=who.user_id,
            agent=agent,
            spec=spec,
            agent_id=agent_id,
            agent_version=agent_version,
            environment_id=environment_id,
            title=head.title,
            metadata={},
            fold=Fold(
                state="paused" if resumes else "completed",
                permission_mode=spec.permission_mode,
                titled=head.title is not None,
            ),
        )
        async with self._core.db.tenant(who.tenant) as connection:
            writer = transfer.Writer(connection, new)
            await writer.begin(head.claude_session_id)
            for line in lines:
                if isinstance(line, EventLine):
                    await writer.event(line.seq, line.id, line.type, line.payload, line.at)
                elif isinstance(line, TranscriptLine):
                    await writer.line(line.subpath, line.entry)
            await writer.finish(checker.events, self._closing(checker.course, head, resumes))
        return await own_record(self._core.db, who, new.id)

    def _closing(self, left: Course, head: Head, resumes: bool) -> list[NewEvent]:
        """Ends what the file leaves open, and says where everything above is from."""
        make = self._core.make
        events = []
        if left.turn is not None:
            end = {
                "outcome": "interrupted",
                "reason": "session_ended",
                "turn_start_id": left.turn.id,
                "message_ids": left.turn.body.get("message_ids") or [],
                "partial": [],
            }
            events.append(make.make("span.turn_end", end))
        events += [make.make("user.message_cancel", {"message_id": m}) for m in left.waiting]
        text = f"Imported from a file that was written on {head.exported_at:%Y-%m-%d}."
        after = " Its working directory was not part of it." if resumes else " It can only be read."
        notice = course.say("imported", "info", text + after, make, {"session_id": head.id})
        state = "paused" if resumes else "completed"
        status = (
            make.make("session.status_idle", {"stop_reason": {"type": "end_turn"}, "state": state})
            if resumes
            else make.make("session.status_terminated", {"state": state})
        )
        return [*events, notice, status]


def _uploads(entries: Iterable[Entry]) -> Iterable[str]:
    """Ids of uploaded images."""
    for item in entries:
        for block in item.content if isinstance(item, Said) else ():
            source = block.get("source") or {}
            if block.get("type") == "image" and source.get("type") == "file":
                yield str(source.get("file_id"))
