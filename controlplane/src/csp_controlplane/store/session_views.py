"""Sessions as lists and pages show them, and the columns that people edit directly."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import orjson

from csp_controlplane.domain.events import LoggedEvent
from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.records import SessionRecord
from csp_controlplane.errors import InvalidRequest
from csp_controlplane.store import pieces
from csp_controlplane.store.database import Database
from csp_controlplane.store.pages import read_time_cursor, time_cursor
from csp_crds.agent import AgentSpec

ListOrder = Literal["created_at", "last_event_at"]
"""What a list of sessions goes by. Ids are made in the order of creation."""

_SELECT = """
select s.id, s.tenant, s.owner, s.agent_id, s.agent_version, s.agent, s.spec, s.environment_id,
       s.title, s.metadata, s.state, s.last_seq, s.fold, s.created_at, s.updated_at,
       s.last_event_at, s.archived_at, s.month, u.*
from sessions s
cross join lateral (
  select coalesce(sum(m.input_tokens), 0)::bigint as input_tokens,
         coalesce(sum(m.output_tokens), 0)::bigint as output_tokens,
         coalesce(sum(m.cache_read_input_tokens), 0)::bigint as cache_read_input_tokens,
         coalesce(sum(m.cache_creation_input_tokens), 0)::bigint as cache_creation_input_tokens,
         coalesce(sum(m.cost_microusd), 0)::bigint as cost_microusd
  from model_requests m where m.session_id = s.id
) u
"""
_USAGE = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cost_microusd",
)
_STATUSES = {
    "idle": ("creating", "active", "paused"),
    "running": ("running",),
    "rescheduling": ("error",),
    "terminated": ("completed",),
}
_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A page of a person's sessions."""

    limit: int
    cursor: str | None = None
    include_archived: bool = False
    statuses: list[str] | None = None
    search: str | None = None
    ascending: bool = False
    by_activity: bool = False
    agent_id: str | None = None
    created: dict[str, datetime] = field(default_factory=dict)


async def get(db: Database, tenant: str, owner: str, session: str) -> SessionRecord | None:
    """One session with its usage and the contents of its queued messages."""
    async with db.tenant(tenant) as connection:
        row = await connection.fetchrow(
            f"{_SELECT} where s.id = $1 and s.owner = $2 and s.deleted_at is null", session, owner
        )
        if row is None:
            return None
        fold = Fold.from_json(orjson.loads(row["fold"]))
        queued = (
            await connection.fetch(
                "select e.seq, e.id, coalesce(u.payload, e.payload)::text as payload from events e "
                "left join lateral (select payload from events x where x.month = e.month and "
                "x.session_id = e.session_id and x.type = 'user.message_update' and "
                "x.payload ->> 'message_id' = e.id order by x.seq desc limit 1) u on true "
                "where e.month = $1 and e.session_id = $2 and e.id = any($3) order by e.seq",
                row["month"],
                session,
                [message.id for message in fold.queue],
            )
            if fold.queue
            else []
        )
    clients = {message.id: message.client_id for message in fold.queue}
    queue = [
        {
            "id": q["id"],
            "seq": q["seq"],
            "client_id": clients[q["id"]],
            "content": orjson.loads(q["payload"])["content"],
        }
        for q in queued
    ]
    return _record(row, fold, queue)


async def page(
    db: Database, tenant: str, owner: str, query: ListQuery
) -> tuple[list[SessionRecord], str | None]:
    """Sessions in their order, newest first unless asked otherwise, and the next cursor.

    No index has last_event_at, because each append would have to write it: a person's sessions are
    sorted instead, by that alone, before the rest of a page is read.
    """
    columns = ("s.last_event_at", "s.id") if query.by_activity else ("s.id",)
    direction, beyond = ("asc", ">") if query.ascending else ("desc", "<")
    where, values = _conditions(owner, query)
    if query.cursor:
        place = [*read_time_cursor(query.cursor)] if query.by_activity else [_decoded(query.cursor)]
        marks = [f"${len(values) + number}" for number in range(1, len(place) + 1)]
        where.append(f"({', '.join(columns)}) {beyond} ({', '.join(marks)})")
        values += place
    values.append(query.limit + 1)
    order = "order by " + ", ".join(f"{column} {direction}" for column in columns)
    ids = f"select s.id from sessions s where {' and '.join(where)} {order}"  # noqa: S608 -- fixed names
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            f"{_SELECT} where s.id in ({ids} limit ${len(values)}) {order}", *values
        )
    records = [
        _record(row, Fold.from_json(orjson.loads(row["fold"])), []) for row in rows[: query.limit]
    ]
    return records, _place(records[-1], query) if len(rows) > query.limit else None


def _conditions(owner: str, query: ListQuery) -> tuple[list[str], list[Any]]:
    """What a session must meet to be in the list, and the values of $1 and so on in it."""
    values: list[Any] = [owner]
    where = ["s.owner = $1", "s.deleted_at is null"]

    def add(condition: str, value: object) -> None:
        values.append(value)
        where.append(condition.replace("?", f"${len(values)}"))

    if not query.include_archived:
        where.append("s.archived_at is null")
    if query.statuses:
        add("s.state = any(?)", [s for status in query.statuses for s in _STATUSES[status]])
    if query.search:
        add("s.title ilike ?", f"%{_escaped(query.search)}%")
    if query.agent_id:
        add("s.agent_id = ?", query.agent_id)
    for comparison, moment in query.created.items():
        add(f"s.created_at {_COMPARISONS[comparison]} ?", moment)
    return where, values


def _place(last: SessionRecord, query: ListQuery) -> str:
    """The cursor of what follows the last one of a page."""
    return time_cursor(last.last_event_at, last.id) if query.by_activity else _encoded(last.id)


async def set_columns(db: Database, tenant: str, session: str, changes: dict[str, Any]) -> None:
    """Title and metadata live in the row; model and permission mode in the fold."""
    async with db.tenant(tenant) as connection:
        if "title" in changes:
            await connection.execute(
                "update sessions set title = $2, title_is_auto = false, updated_at = now() "
                "where id = $1",
                session,
                changes["title"],
            )
        if "metadata" in changes:
            await connection.execute(
                "update sessions set metadata = $2, updated_at = now() where id = $1",
                session,
                orjson.dumps(changes["metadata"]).decode(),
            )


async def set_archived(db: Database, tenant: str, session: str, *, archived: bool) -> None:
    """Whoever has read the session before finds its fold too old, and reads this with it."""
    async with db.tenant(tenant) as connection:
        await connection.execute(
            "update sessions set archived_at = case when $2 then coalesce(archived_at, now()) end, "
            "fold_version = fold_version + 1, updated_at = now() where id = $1",
            session,
            archived,
        )


async def erase(db: Database, tenant: str, session: str, month: date) -> None:
    """Removes the log, the transcript and the files; the row stays as a tombstone of its cost."""
    async with db.tenant(tenant) as connection:
        await connection.execute(
            "update sessions set deleted_at = now(), title = null, metadata = '{}', "
            "agent = '{}', spec = '{}', fold = json_build_object('state', state), "
            "fold_version = fold_version + 1, claude_session_id = null, needs_worker = false, "
            "lease_until = null where id = $1",
            session,
        )
        for table in ("events", "transcript_entries"):
            await connection.execute(
                f"delete from {table} where month = $1 and session_id = $2",  # noqa: S608 -- fixed names
                month,
                session,
            )
        await pieces.doom_files_of(connection, [session])
        for table in ("shares", "blobs"):
            await connection.execute(
                f"delete from {table} where session_id = $1",  # noqa: S608 -- fixed names
                session,
            )


async def events_by_request(
    db: Database, tenant: str, month: date, session: str, prefix: str, window_s: float
) -> list[LoggedEvent]:
    """The events of the newest request whose body had this hash, within the window."""
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            "select seq, id, type, payload::text, dedup_key from events where month = $1 "
            "and session_id = $2 and dedup_key >= $3 and dedup_key < $3 || '~' "
            "and created_at > now() - make_interval(secs => $4) order by seq desc",
            month,
            session,
            prefix,
            window_s,
        )
    if not rows:
        return []
    newest = rows[0]["dedup_key"].rsplit(":", 1)[0]
    same = [row for row in reversed(rows) if row["dedup_key"].startswith(newest)]
    return [LoggedEvent(r[0], r[1], r[2], r[3].encode()) for r in same]


def _record(row: Any, fold: Fold, queue: list[dict[str, Any]]) -> SessionRecord:
    spec = AgentSpec.model_validate_json(row["spec"])
    same = ("id", "tenant", "owner", "agent_id", "agent_version", "environment_id", "title")
    times = ("created_at", "updated_at", "last_event_at", "archived_at")
    return SessionRecord(
        **{name: row[name] for name in (*same, *times)},
        agent=orjson.loads(row["agent"]),
        spec=spec,
        metadata=orjson.loads(row["metadata"]),
        state=row["state"],
        last_seq=row["last_seq"],
        model=fold.model or spec.model,
        permission_mode=fold.permission_mode,
        queue=queue or [{"id": m.id, "client_id": m.client_id} for m in fold.queue],
        pending=[question.id for question in fold.questions],
        usage={name: row[name] for name in _USAGE},
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _encoded(session: str) -> str:
    return base64.urlsafe_b64encode(session.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> str:
    try:
        session = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (ValueError, UnicodeDecodeError):
        session = ""
    if not session.startswith("sesn_"):
        raise InvalidRequest("page: use the next_page of an earlier answer of the same list")
    return session
