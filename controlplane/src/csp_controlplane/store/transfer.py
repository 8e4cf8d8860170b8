"""Reading a whole session out and writing a whole session in, a batch at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any

from csp_controlplane.domain.events import LoggedEvent, NewEvent
from csp_controlplane.store import sessions
from csp_controlplane.store.branches import append_in
from csp_controlplane.store.database import Database
from csp_controlplane.store.log import read_log
from csp_controlplane.store.sessions import NewSession

BATCH = 500


async def events(
    db: Database, tenant: str, month: date, session: str, through: int
) -> AsyncIterator[LoggedEvent]:
    """The log up to a seq, in order."""
    after = 0
    while after < through:
        page = await read_log(db, tenant, month, session, after, min(BATCH, through - after))
        if not page:
            return
        for event in page:
            yield event
        after = page[-1].seq


async def transcript(
    db: Database, tenant: str, month: date, session: str
) -> AsyncIterator[tuple[str, str]]:
    """(subpath, entry) lines as they were stored, in order."""
    after = 0
    while True:
        async with db.tenant(tenant) as connection:
            rows = await connection.fetch(
                "select ordinal, subpath, entry from transcript_entries where month = $1 "
                "and session_id = $2 and ordinal > $3 order by ordinal limit $4",
                month,
                session,
                after,
                BATCH,
            )
        for row in rows:
            yield row["subpath"], row["entry"]
        if len(rows) < BATCH:
            return
        after = rows[-1]["ordinal"]


async def pictures(
    db: Database, tenant: str, owner: str, ids: Sequence[str], most_bytes: int
) -> dict[str, tuple[str, bytes]]:
    """Media type and bytes of the owner's uploads, the first ones that fit."""
    found: dict[str, tuple[str, bytes]] = {}
    left = most_bytes
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            "select id, size from blobs where id = any($1) and owner = $2 order by size",
            list(ids),
            owner,
        )
        for row in rows:
            if row["size"] > left:
                break
            left -= row["size"]
            kept = await connection.fetchrow(
                "select media_type, data from blobs where id = $1", row["id"]
            )
            found[row["id"]] = (kept["media_type"], kept["data"])
    return found


class Writer:
    """Fills a session that is being made, inside one transaction."""

    def __init__(self, connection: Any, new: NewSession) -> None:
        self._connection = connection
        self._new = new
        self._events: list[tuple[int, str, str, str, datetime | None]] = []
        self._lines: list[tuple[str, str]] = []

    async def begin(self, claude_session_id: str | None) -> None:
        await sessions.add(self._connection, self._new)
        await self._connection.execute(
            "update sessions set claude_session_id = $2 where id = $1",
            self._new.id,
            claude_session_id,
        )

    async def event(
        self, seq: int, id_: str, type_: str, payload: bytes, at: datetime | None
    ) -> None:
        self._events.append((seq, id_, type_, payload.decode(), at))
        if len(self._events) >= BATCH:
            await self._flush_events()

    async def line(self, subpath: str, entry: bytes) -> None:
        self._lines.append((subpath, entry.decode()))
        if len(self._lines) >= BATCH:
            await self._flush_lines()

    async def finish(self, last_seq: int, closing: Sequence[NewEvent]) -> None:
        """Writes what is left, and the events that come after what was written."""
        await self._flush_events()
        await self._flush_lines()
        await self._connection.execute(
            "update sessions set last_seq = $2 where id = $1", self._new.id, last_seq
        )
        await append_in(self._connection, self._new.tenant, self._new.id, closing)

    async def _flush_events(self) -> None:
        batch, self._events = self._events, []
        if not batch:
            return
        await self._connection.execute(
            "insert into events (month, session_id, seq, tenant, id, type, payload, created_at) "
            "select $1, $2, e.seq, $3, e.id, e.type, e.payload::json, coalesce(e.at, now()) "
            "from unnest($4::bigint[], $5::text[], $6::text[], $7::text[], $8::timestamptz[]) "
            "as e(seq, id, type, payload, at)",
            self._new.month,
            self._new.id,
            self._new.tenant,
            *(list(column) for column in zip(*batch, strict=True)),
        )

    async def _flush_lines(self) -> None:
        batch, self._lines = self._lines, []
        if not batch:
            return
        await self._connection.execute(
            "insert into transcript_entries (month, session_id, tenant, epoch, subpath, entry) "
            "select $1, $2, $3, 0, t.subpath, t.entry "
            "from unnest($4::text[], $5::text[]) with ordinality as t(subpath, entry, o) "
            "order by t.o",
            self._new.month,
            self._new.id,
            self._new.tenant,
            *(list(column) for column in zip(*batch, strict=True)),
        )
