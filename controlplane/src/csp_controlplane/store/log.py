"""Reading and appending the event log: the only code that touches the events table.

Every call is one round trip. An append either is the whole batch, committed, or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any, Literal, NamedTuple

import orjson

from csp_controlplane.domain.events import LoggedEvent, NewEvent
from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.remembering import Told
from csp_controlplane.store.database import Database


@dataclass(frozen=True, slots=True)
class FoldChange:
    """The next fold, valid only on top of the version it was computed from."""

    version: int
    fold: Fold

    def columns(self) -> tuple[int, str, str, bool]:
        fold = self.fold
        return self.version, orjson.dumps(fold.to_json()).decode(), fold.state, fold.needs_worker


@dataclass(frozen=True, slots=True)
class WorkerBatch:
    """Facts of one epoch's worker (with n) and control-plane events among them (n is None)."""

    epoch: int
    first_n: int
    ns: Sequence[int | None]
    ids: Sequence[str]
    types: Sequence[str]
    payloads: Sequence[str]
    subpaths: Sequence[str] = ()
    entries: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a control append. `base` is the seq before its first event, or, for a
    duplicate, the seq of the event that was already there."""

    outcome: Literal["appended", "duplicate", "stale", "missing"]
    base: int = 0


PAGE_BYTES = 4_000_000
"""What a page of the log holds, but for its last event."""

_NO_CHANGE: tuple[None, None, None, None] = (None, None, None, None)


async def append_worker(
    db: Database, tenant: str, session: str, batch: WorkerBatch, change: FoldChange | None
) -> int | None:
    """The seq before the batch, or None when epoch, n or fold version do not match."""
    async with db.untenanted() as connection:
        base: int | None = await connection.fetchval(
            "select append_worker($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)",
            tenant,
            session,
            batch.epoch,
            batch.first_n,
            batch.ns,
            batch.ids,
            batch.types,
            batch.payloads,
            batch.subpaths,
            batch.entries,
            *(change.columns() if change else _NO_CHANGE),
        )
    return base


async def append_workers(
    db: Database,
    tenant: str,
    batches: Sequence[tuple[str, WorkerBatch, FoldChange | None]],
    patience: timedelta,
) -> list[int | None]:
    """`append_worker` for several sessions of a tenant in one statement: (session, batch, change),
    no session twice. All of it fails when one cannot be written or waits longer for its row."""
    heads = [
        (session, batch.epoch, batch.first_n, len(batch.ids), len(batch.ns) - batch.ns.count(None),
         *(change.columns() if change else _NO_CHANGE))
        for session, batch, change in batches
    ]  # fmt: skip
    events = [
        (place, *event)
        for place, (_, batch, _) in enumerate(batches, 1)
        for event in zip(count(1), batch.ns, batch.ids, batch.types, batch.payloads, strict=False)
    ]
    entries = [
        (place, *entry)
        for place, (_, batch, _) in enumerate(batches, 1)
        for entry in zip(batch.subpaths, batch.entries, strict=True)
    ]
    async with db.untenanted() as connection:
        bases: list[int | None] = await connection.fetchval(
            "select append_workers($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,"
            "$11,$12,$13,$14,$15,$16,$17,$18,$19,$20)",
            tenant, patience,
            *_by_column(heads, 9), *_by_column(events, 6), *_by_column(entries, 3),
        )  # fmt: skip
    return bases


def _by_column(rows: Sequence[tuple[Any, ...]], columns: int) -> Sequence[Sequence[Any]]:
    return list(zip(*rows, strict=True)) or [()] * columns


async def append_control(
    db: Database,
    tenant: str,
    session: str,
    events: Sequence[NewEvent],
    change: FoldChange | None,
    *,
    title: str | None = None,
) -> Appended:
    """Appends the control plane's own events, with or without a worker alive."""
    async with db.untenanted() as connection:
        row = await connection.fetchrow(
            "select outcome, base from append_control($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)",
            tenant,
            session,
            [event.id for event in events],
            [event.type for event in events],
            [event.payload.decode() for event in events],
            [event.dedup_key for event in events],
            *(change.columns() if change else _NO_CHANGE),
            title,
        )
    return Appended(row["outcome"], row["base"] or 0)


async def read_log(
    db: Database, tenant: str, month: date, session: str, after: int, limit: int
) -> list[LoggedEvent]:
    """Events with seq > after, oldest first. Fewer than `limit` where they are large; none only
    where the log ends."""
    async with db.untenanted() as connection:
        rows = await connection.fetch(
            "select * from read_log_page($1,$2,$3,$4,$5,$6)",
            tenant, month, session, after, limit, PAGE_BYTES,
        )  # fmt: skip
    return [LoggedEvent(r[0], r[1], r[2], r[3].encode()) for r in rows]


def ends_the_log(page: Sequence[LoggedEvent], limit: int) -> bool:
    """Whether there was nothing behind a page of `read_log`, so that no other need be read."""
    return len(page) < limit and sum(len(event.raw) for event in page) < PAGE_BYTES


async def read_log_text(
    db: Database, tenant: str, month: date, session: str, after: int, limit: int
) -> tuple[int, int, str] | None:
    """Events with seq > after, oldest first, as one text with commas between: the first and the
    last seq, and the text. Fewer than `limit` where they are large. None: there are none."""
    async with db.untenanted() as connection:
        row = await connection.fetchrow(
            "select first_seq, last_seq, events from read_log_text($1,$2,$3,$4,$5,$6)",
            tenant, month, session, after, limit, PAGE_BYTES,
        )  # fmt: skip
    return None if row is None else (row[0], row[1], row[2])


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A page of the log as the API asks for it."""

    limit: int
    after: int = 0
    before: int | None = None
    descending: bool = False
    types: Sequence[str] | None = None
    created: dict[str, datetime] | None = None


_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class LogPage(NamedTuple):
    """What a query found, and whether there is more: beyond its limit, or beyond PAGE_BYTES."""

    events: list[LoggedEvent]
    more: bool


async def query_log(
    db: Database, tenant: str, month: date, session: str, query: LogQuery
) -> LogPage:
    """Events between two seqs, filtered, in the order asked for."""
    values: list[Any] = [month, session, query.after]
    where = ["month = $1", "session_id = $2", "seq > $3"]
    if query.before is not None:
        values.append(query.before)
        where.append(f"seq < ${len(values)}")
    if query.types:
        values.append(list(query.types))
        where.append(f"type = any(${len(values)})")
    for comparison, moment in (query.created or {}).items():
        values.append(moment)
        where.append(f"created_at {_COMPARISONS[comparison]} ${len(values)}")
    values += [query.limit + 1, query.limit, PAGE_BYTES]
    most, limit, size = (f"${len(values) - place}" for place in (2, 1, 0))
    order = "desc" if query.descending else "asc"
    sql = (
        "select seq, id, type, body, found from ("  # noqa: S608 -- fragments above
        "select *, row_number() over log as place, count(*) over () as found, "
        "sum(octet_length(body)) over log - octet_length(body) as before from ("
        f"select seq, id, type, payload::text as body from events where {' and '.join(where)} "
        f"order by seq {order} limit {most}) page window log as (order by seq {order})) sized "
        f"where place <= {limit} and before < {size} order by seq {order}"
    )
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(sql, *values)
    events = [LoggedEvent(r[0], r[1], r[2], r[3].encode()) for r in rows]
    return LogPage(events, bool(rows) and rows[0]["found"] > len(rows))


async def events_by_dedup_key(
    db: Database, tenant: str, month: date, session: str, keys: Sequence[str]
) -> list[LoggedEvent]:
    """The events that were written under these client message ids."""
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            "select seq, id, type, payload::text from events "
            "where month = $1 and session_id = $2 and dedup_key = any($3) order by seq",
            month,
            session,
            list(keys),
        )
    return [LoggedEvent(r[0], r[1], r[2], r[3].encode()) for r in rows]


async def facts_of_epoch(
    db: Database, tenant: str, month: date, session: str, epoch: int, first_n: int, last_n: int
) -> dict[int, bytes]:
    """Stored bytes by n: what a worker that repeats itself must repeat exactly."""
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            "select n, payload::text from events where month = $1 and session_id = $2 "
            "and epoch = $3 and n between $4 and $5",
            month,
            session,
            epoch,
            first_n,
            last_n,
        )
    return {r[0]: r[1].encode() for r in rows}


async def log_heads(db: Database, sessions: Sequence[str]) -> dict[str, int]:
    """last_seq by session: the read that makes up for lost notifications."""
    async with db.untenanted() as connection:
        rows = await connection.fetch("select * from log_heads($1)", list(sessions))
    return {r["session_id"]: r["last_seq"] for r in rows}


async def turns_since(
    db: Database, tenant: str, month: date, session: str, codes: Sequence[str]
) -> list[Told]:
    """What came of each turn that began after the last notice of these codes, as far as the log
    knows. Found in the text, as `notices` does."""
    async with db.tenant(tenant) as connection:
        rows = await connection.fetch(
            "select type, case when type = 'span.turn_start' then payload::text end as payload, "
            'strpos(payload::text, \'"parent_tool_use_id":"\') = 0 as own from events '
            "where month = $1 and session_id = $2 and type = any($3) and seq > ("
            "select coalesce(max(n.seq), 0) from events n join unnest($4::text[]) as c(code) "
            "on strpos(n.payload::text, '\"code\":\"' || c.code || '\"') > 0 "
            "where n.month = $1 and n.session_id = $2 and n.type = 'session.notice') order by seq",
            month,
            session,
            ["span.turn_start", "agent.message", "agent.tool_use"],
            list(codes),
        )
    turns: list[Told] = []
    for row in rows:
        if row["type"] == "span.turn_start":
            turns.append(Told(str(orjson.loads(row["payload"]).get("prompt_uuid") or ""), 0, False))
        elif turns:
            more = row["type"] == "agent.message" and row["own"]
            turns[-1] = turns[-1]._replace(texts=turns[-1].texts + more, acted=True)
    return turns
