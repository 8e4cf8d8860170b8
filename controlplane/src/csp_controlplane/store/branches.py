"""Sessions that begin as another one's: their rows, their copies of the log, their family.

A fork holds copies of the events that it begins with, so that every reader of a log reads one
session, and so that an ancestor can be deleted without a hole in what came of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

from csp_controlplane.domain.branching import MARK_TYPES, Mark
from csp_controlplane.domain.decisions import title_of
from csp_controlplane.domain.events import NewEvent
from csp_controlplane.store import checkpoints, sessions
from csp_controlplane.store.database import Database
from csp_controlplane.store.sessions import NewSession

PAGE = 5000


@dataclass(frozen=True, slots=True)
class Origin:
    """What a fork begins with. `before_line`: of the parent's transcript; None: all of it, 0:
    nothing. `message`: the parent's message that it stands before."""

    parent: str
    events: int
    before_line: int | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Branch:
    """One member of a family of forks."""

    id: str
    parent: str | None
    forked_seq: int | None
    forked_message: str | None
    title: str | None
    state: str
    last_seq: int
    created_at: datetime
    last_event_at: datetime
    archived_at: datetime | None
    said: str | None
    """A fork's first own message, in a line."""


async def marks(db: Database, tenant: str, month: date, session: str) -> list[Mark]:
    """Every mark of a log, oldest first. Bodies only where something is read in them."""
    found: list[Mark] = []
    while True:
        async with db.tenant(tenant) as connection:
            rows = await connection.fetch(
                "select seq, id, type, case when type in ('user.message', 'span.turn_end') "
                "then '{}' else payload::text end from events where month = $1 "
                "and session_id = $2 and seq > $3 and type = any($4) order by seq limit $5",
                month,
                session,
                found[-1].seq if found else 0,
                list(MARK_TYPES),
                PAGE,
            )
        found += [Mark(r[0], r[1], r[2], orjson.loads(r[3])) for r in rows]
        if len(rows) < PAGE:
            return found


async def line_of(
    db: Database, tenant: str, month: date, session: str, prompts: Sequence[str]
) -> int | None:
    """The ordinal of the transcript's first line of any of these prompts, None when there is none.

    Found in the text: a line may hold what PostgreSQL cannot take apart as JSON.
    """
    if not prompts:
        return None
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            "select t.ordinal, t.entry from transcript_entries t "
            "where t.month = $1 and t.session_id = $2 and t.subpath = '' "
            "and exists (select from unnest($3::text[]) p where strpos(t.entry, p) > 0) "
            "order by t.ordinal limit 10",
            month,
            session,
            [f'"uuid":"{prompt}"' for prompt in prompts],
        )
    known = set(prompts)
    return next((r[0] for r in rows if orjson.loads(r[1]).get("uuid") in known), None)


async def insert_fork(
    db: Database, new: NewSession, origin: Origin, events: Sequence[NewEvent]
) -> None:
    """The new session with its part of the parent's log, and `events` after it. All or nothing."""
    async with db.tenant(new.tenant) as connection:
        await sessions.add(connection, new)
        await connection.execute(
            "update sessions s set parent = p.id, forked_seq = $3, forked_message = $4, "
            "last_seq = $3, claude_session_id = case when $5 then p.claude_session_id end "
            "from sessions p where s.id = $1 and p.id = $2",
            new.id,
            origin.parent,
            origin.events,
            origin.message,
            origin.before_line != 0,
        )
        await connection.execute(
            "select copy_log($1,$2,$3,$4,$5)",
            new.tenant,
            origin.parent,
            new.id,
            origin.events,
            origin.before_line,
        )
        await checkpoints.inherit(connection, origin.parent, new.id, origin.events)
        await append_in(connection, new.tenant, new.id, events)


async def append_in(connection: Any, tenant: str, session: str, events: Sequence[NewEvent]) -> None:
    """Control events in the transaction that makes the session."""
    await connection.execute(
        "select outcome from append_control($1,$2,$3,$4,$5,$6,null,null,null,null)",
        tenant,
        session,
        [event.id for event in events],
        [event.type for event in events],
        [event.payload.decode() for event in events],
        [event.dedup_key for event in events],
    )


_FAMILY = """
with recursive up(id, parent) as (
  select s.id, s.parent from sessions s where s.id = $1
  union all select p.id, p.parent from sessions p join up on p.id = up.parent
), down(id) as (
  select id from up where parent is null
  union all select c.id from sessions c join down on c.parent = down.id
)
select s.id, s.parent, s.forked_seq, s.forked_message, s.title, s.state, s.last_seq,
       s.created_at, s.last_event_at, s.archived_at, f.payload as said
from sessions s join down using (id)
left join lateral (
  select e.payload::text as payload from events e where e.month = s.month
    and e.session_id = s.id and e.seq > s.forked_seq and e.type = 'user.message'
  order by e.seq limit 1
) f on s.forked_seq is not null
where s.owner = $2 and s.deleted_at is null order by s.created_at, s.id limit $3
"""
MOST = 500


async def family(db: Database, tenant: str, owner: str, session: str) -> list[Branch]:
    """The session with everything that it came of and that came of it, oldest first.

    A parent that was deleted is not among them, though its children name it.
    """
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(_FAMILY, session, owner, MOST)
    return [Branch(**{**row, "said": _line(row["said"])}) for row in rows]


def _line(payload: str | None) -> str | None:
    return None if payload is None else title_of(orjson.loads(payload)["content"])


async def family_size(db: Database, tenant: str, owner: str, session: str) -> int:
    """How many sessions the family has, deleted ones left out."""
    return len(await family(db, tenant, owner, session))
