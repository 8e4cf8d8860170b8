"""Dropping a month: a table goes, what is in use stays, and everything else goes on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from csp_controlplane.domain.events import NewEvent
from csp_controlplane.domain.fold import Fold
from csp_controlplane.errors import Conflict, InvalidRequest, NotFound
from csp_controlplane.store import months, sessions
from csp_controlplane.store.database import Database
from csp_controlplane.store.log import append_control, read_log
from csp_controlplane.store.sessions import NewSession, open_epoch, take_lease
from csp_crds.agent import AgentSpec

OLD, NEW = date(2026, 1, 1), date(2026, 2, 1)


async def a_session(db: Database, tenant: str, name: str, month: date) -> None:
    async with db.tenant(tenant) as connection:
        await connection.execute(
            "insert into tenants values ($1, 'T') on conflict do nothing", tenant
        )
        await connection.execute(
            "insert into users (id, tenant, email, name) values ($1, $2, $1, 'U') "
            "on conflict do nothing",
            f"user_{tenant}",
            tenant,
        )
    new = NewSession(
        id=name, month=month, tenant=tenant, owner=f"user_{tenant}", agent={"name": "A"},
        spec=AgentSpec(), agent_id=None, agent_version=None, environment_id=None, title="Secret",
        metadata={}, fold=Fold(state="paused", allowed_rules=("Bash(Secret:*)",)),
    )  # fmt: skip
    await sessions.insert(db, new)
    event = NewEvent(f"sevt_{name}", "user.message", b'{"text":"Secret"}')
    await append_control(db, tenant, name, [event], None)


@pytest.fixture
def later() -> datetime:
    """A time at which all that was just written is old."""
    return datetime.now(UTC) + timedelta(days=90)


async def test_a_month_goes_and_its_neighbour_stays(
    db: Database, database_url: str, later: datetime
) -> None:
    for tenant, name, month in (("t1", "a", OLD), ("t2", "b", OLD), ("t1", "c", NEW)):
        await a_session(db, tenant, name, month)
    assert await months.drop(database_url, OLD, idle_days=30, now=later) == 2
    listed = await months.months(database_url)
    assert [(m.month, m.sessions, m.deleted, m.bytes > 0) for m in listed] == [
        (OLD, 2, 2, False), (NEW, 1, 0, True),
    ]  # fmt: skip
    assert await sessions.load(db, "t1", "a") is None
    assert await sessions.load(db, "t2", "b") is None
    assert len(await read_log(db, "t1", NEW, "c", 0, 10)) == 1
    async with db.tenant("t1") as connection:
        row = await connection.fetchrow("select title, agent::text from sessions where id = 'a'")
        whole = await connection.fetchval(
            "select row_to_json(s)::text from sessions s where id = 'a'"
        )
        audit = await connection.fetchrow(
            "select target, data::text from audit_events where action = 'month.drop'"
        )
    assert tuple(row) == (None, "{}")
    assert "Secret" not in whole
    assert tuple(audit) == ("2026-01", '{"sessions":1}')


async def test_a_month_in_use_is_refused_whole(
    db: Database, database_url: str, later: datetime
) -> None:
    await a_session(db, "t1", "a", OLD)
    with pytest.raises(Conflict, match="still in use, for example a: delete them first"):
        await months.drop(database_url, OLD, idle_days=30)
    assert await take_lease(db, "t1", "a", "gw", 60)
    assert await open_epoch(
        db, "t1", "a", holder="gw", worker_id="w", endpoint="unix:/x", handle_hash=b"h"
    )
    with pytest.raises(Conflict, match="still in use"):
        await months.drop(database_url, OLD, idle_days=30, now=later)
    assert await sessions.load(db, "t1", "a") is not None


async def test_a_drop_that_could_not_have_its_lock_is_finished_by_the_next(
    db: Database, database_url: str, later: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(months, "LOCK_WAIT_S", 1)
    await a_session(db, "t1", "a", OLD)
    async with db.tenant("t1") as reader:
        await reader.fetch("select * from events limit 1")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await months.drop(database_url, OLD, idle_days=30, now=later)
    assert await sessions.load(db, "t1", "a") is None
    assert await months.drop(database_url, OLD, idle_days=30, now=later) == 0
    (month,) = await months.months(database_url)
    assert (month.deleted, month.bytes) == (1, 0)


async def test_the_next_session_of_a_dropped_month_gets_its_tables_again(
    db: Database, database_url: str, later: datetime
) -> None:
    await a_session(db, "t1", "a", OLD)
    await months.drop(database_url, OLD, idle_days=30, now=later)
    await a_session(db, "t1", "b", OLD)
    assert len(await read_log(db, "t1", OLD, "b", 0, 10)) == 1


async def test_a_month_that_is_none_is_said_so(database_url: str) -> None:
    with pytest.raises(NotFound, match="There are no logs of 2020-01"):
        await months.drop(database_url, date(2020, 1, 1), idle_days=30)
    for text in ("2026-13", "january", "2026-01-01"):
        with pytest.raises(InvalidRequest, match="is no month: write it as 2026-01"):
            months.parse(text)
