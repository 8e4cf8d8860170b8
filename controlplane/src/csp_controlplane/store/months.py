"""Dropping a whole month of logs and transcripts: a table goes instead of millions of rows.

Logs are partitioned by the month in which their session was created. The months of sessions that
are still in use are refused. Files are doomed here, and removed from the object store by the next
hourly round of a gateway, which alone has the right to. Works with the address that migrations use,
because only the tables' owner may drop them; rows are changed as csp_app, tenant by tenant, as
everywhere else.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from csp_controlplane.errors import Conflict, InvalidRequest, NotFound
from csp_controlplane.store import audit, pieces

LOCK_WAIT_S = 10
TABLES = ("events", "transcript_entries")
_MONTH = re.compile(r"^\d{4}-(0[1-9]|1[0-2])$")


@dataclass(frozen=True, slots=True)
class Month:
    """One month's sessions. `bytes`: of their logs and transcripts on disk."""

    month: date
    sessions: int
    deleted: int
    bytes: int


def parse(text: str) -> date:
    """The first day of a month such as 2026-01. Raises InvalidRequest."""
    if not _MONTH.match(text):
        raise InvalidRequest(f"{text[:20]!r} is no month: write it as 2026-01.")
    return date.fromisoformat(f"{text}-01")


@asynccontextmanager
async def _owner(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(
        url, timeout=10, server_settings={"application_name": "csp-months"}
    )
    try:
        yield connection
    finally:
        await connection.close()


async def months(url: str) -> list[Month]:
    """Oldest first, the dropped ones (0 bytes) included."""
    async with _owner(url) as connection, connection.transaction():
        await connection.execute("set local role csp_app")
        rows = await connection.fetch("select * from session_months()")
        sizes = [await _size(connection, row["month"]) for row in rows]
    return [Month(**row, bytes=size) for row, size in zip(rows, sizes, strict=True)]


async def _size(connection: Any, month: date) -> int:
    total = 0
    for table in TABLES:
        size = await connection.fetchval(
            "select pg_total_relation_size(to_regclass($1))", _partition(table, month)
        )
        total += size or 0
    return total


async def drop(url: str, month: date, *, idle_days: int, now: datetime | None = None) -> int:
    """Drops a month; how many sessions went with it.

    First the sessions are deleted, all of them or none, then the tables go: they wait for whoever
    reads or writes any log at that moment, and everybody else waits for them, LOCK_WAIT_S at most.
    When that fails, a second call goes on where this one stopped. Raises Conflict when a session of
    that month has a worker or was used within `idle_days`; NotFound when there is no such month;
    asyncpg.LockNotAvailableError.
    """
    since = (now or datetime.now(UTC)) - timedelta(days=idle_days)
    partitions = [_partition(table, month) for table in TABLES]
    async with _owner(url) as connection:
        if await connection.fetchval("select to_regclass($1)", partitions[0]) is None:
            raise NotFound(f"There are no logs of {month:%Y-%m}.")
        async with connection.transaction():
            await connection.execute("set local role csp_app")
            count = await _delete_sessions(connection, month, since, idle_days)
        async with connection.transaction():
            await connection.execute(f"set local lock_timeout = '{LOCK_WAIT_S}s'")
            for name in partitions:
                await connection.execute(f"drop table if exists {name}")
    return count


async def _delete_sessions(connection: Any, month: date, since: datetime, idle_days: int) -> int:
    rows = await connection.fetch("select * from sessions_of_month($1)", month)
    used = [row["session_id"] for row in rows if row["bound"] or row["last_event_at"] > since]
    of_tenant: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        of_tenant[row["tenant"]].append(row["session_id"])
    for tenant, ids in of_tenant.items():
        # One that was used since it was looked at is not among those that are changed.
        if not used and await _entomb(connection, tenant, ids, month, since) != len(ids):
            used = ids
    if used:
        raise Conflict(
            f"Sessions of {month:%Y-%m} are still in use, for example {used[0]}: delete them "
            f"first, or wait until nothing has happened in them for {idle_days} days."
        )
    return len(rows)


async def _entomb(
    connection: Any, tenant: str, ids: list[str], month: date, since: datetime
) -> int:
    await connection.execute("select set_config('csp.tenant', $1, true)", tenant)
    changed = await connection.fetch(
        "update sessions set deleted_at = now(), title = null, metadata = '{}', agent = '{}', "
        "spec = '{}', fold = json_build_object('state', state), fold_version = fold_version + 1, "
        "claude_session_id = null, needs_worker = false, lease_until = null "
        "where id = any($1) and deleted_at is null and last_event_at <= $2 returning id",
        ids,
        since,
    )
    await pieces.doom_files_of(connection, ids)
    for table in ("shares", "blobs"):
        await connection.execute(
            f"delete from {table} where session_id = any($1)",  # noqa: S608 -- fixed names
            ids,
        )
    data = {"sessions": len(ids)}
    await audit.add(connection, tenant, "csp months", "month.drop", f"{month:%Y-%m}", data)
    return len(changed)


def _partition(table: str, month: date) -> str:
    return f"{table}_{month:%Y%m}"
