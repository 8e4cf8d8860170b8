"""Batches of many sessions on their way into the log: alone, and together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from csp_controlplane.domain.fold import Fold
from csp_controlplane.store import appending, sessions
from csp_controlplane.store.appending import MOST_BATCHES, Appends
from csp_controlplane.store.database import DATABASE_AWAY, Database
from csp_controlplane.store.log import FoldChange, WorkerBatch, append_worker, read_log
from csp_controlplane.store.sessions import open_epoch, take_lease
from support.rows import MONTH, batch, make_session
from support.waiting import wait_until


@pytest.fixture
async def observer(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def bound(db: Database, *names: str, tenant: str = "t1") -> None:
    """Sessions whose first epoch is open."""
    for name in names:
        await make_session(db, tenant, name)
        assert await take_lease(db, tenant, name, "gw", 60)
        epoch = await open_epoch(
            db, tenant, name, holder="gw", worker_id=f"of-{name}", endpoint="",
            handle_hash=name.encode(),
        )  # fmt: skip
        assert epoch == 1


@asynccontextmanager
async def row_taken(database_url: str, session: str) -> AsyncIterator[None]:
    """Somebody else has the session's row in a transaction of their own."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("select 1 from sessions where id = $1 for update", session)
            yield
    finally:
        await connection.close()


async def waits_for_a_row(observer: Any, count: int = 1) -> None:
    async def waiting() -> bool:
        found: int = await observer.fetchval(
            "select count(*) from pg_stat_activity "
            "where wait_event_type = 'Lock' and query like 'select append_worker%'"
        )
        return found >= count

    await wait_until(waiting, what=f"{count} appends wait for a row")


async def transactions(observer: Any, *names: str) -> list[str]:
    """By which transaction each session's events were written, one after the other."""
    rows = await observer.fetch(
        "select session_id, xmin::text as by from events where session_id = any($1) order by seq",
        list(names),
    )
    by_session = {row["session_id"]: row["by"] for row in rows}
    return [by_session[name] for name in names]


async def blocked(appends: Appends, observer: Any, session: str) -> asyncio.Task[int | None]:
    """The only place is taken by an append that waits for its session's row."""
    first = asyncio.create_task(appends.append("t1", session, batch(1, 1, [f"{session}-1"]), None))
    await waits_for_a_row(observer)
    return first


async def test_what_comes_while_all_places_are_taken_goes_in_one_statement(
    db: Database, database_url: str, observer: Any
) -> None:
    names = [f"sesn_{number}" for number in range(6)]
    await bound(db, *names)
    appends = Appends(db, at_once=1)
    async with row_taken(database_url, names[0]):
        first = asyncio.create_task(appends.append("t1", names[0], batch(1, 1, ["first"]), None))
        others = [
            asyncio.create_task(
                appends.append("t1", name, batch(1, 1, [f"{name}-a", f"{name}-b"]), None)
            )
            for name in names[1:]
        ]
        assert await asyncio.gather(*others) == [0] * 5, "nobody waits for another's row for long"
        assert not first.done()
    assert await first == 0
    assert len(set(await transactions(observer, *names[1:]))) == 1
    for name in names[1:]:
        logged = await read_log(db, "t1", MONTH, name, 0, 10)
        assert [(e.seq, e.id) for e in logged] == [(1, f"{name}-a"), (2, f"{name}-b")]


async def test_a_batch_that_does_not_match_writes_nothing_and_the_others_do(
    db: Database, database_url: str, observer: Any
) -> None:
    await bound(db, "first", "ok", "old", "gap", "fold", "stale")
    newer = await open_epoch(
        db, "t1", "old", holder="gw", worker_id="newer", endpoint="", handle_hash=b"newer"
    )
    assert newer == 2
    appends = Appends(db, at_once=1)
    fold = Fold()
    async with row_taken(database_url, "first"):
        first = await blocked(appends, observer, "first")
        results = await asyncio.gather(
            appends.append("t1", "ok", batch(1, 1, ["ok-1"]), None),
            appends.append("t1", "old", batch(1, 1, ["old-1"]), None),
            appends.append("t1", "gap", batch(1, 3, ["gap-1"]), None),
            appends.append("t1", "fold", batch(1, 1, ["fold-1"]), FoldChange(0, fold)),
            appends.append("t1", "stale", batch(1, 1, ["stale-1"]), FoldChange(7, fold)),
        )
    await first
    assert list(results) == [0, None, None, 0, None]
    for name, count in [("ok", 1), ("old", 0), ("gap", 0), ("fold", 1), ("stale", 0)]:
        assert len(await read_log(db, "t1", MONTH, name, 0, 10)) == count, name
    row = await sessions.load(db, "t1", "fold")
    assert row is not None
    assert (row.fold_version, row.last_seq, row.next_n) == (1, 1, 2)
    assert len(set(await transactions(observer, "ok", "fold"))) == 1


async def test_all_of_a_batch_arrives_as_if_it_had_gone_alone(
    db: Database, database_url: str, observer: Any
) -> None:
    """The control plane's own events have no n, and transcript lines stay in order."""
    await bound(db, "first", "alone", "with")
    whole = WorkerBatch(
        epoch=1, first_n=1, ns=[1, None, 2], ids=["a", "b", "c"],
        types=["span.turn_start", "session.status_running", "agent.message"],
        payloads=['{"a": 1}', '{"b":2}', "{}"],
        subpaths=["", "agents/x", ""], entries=["one", "two", "three"],
    )  # fmt: skip
    appends = Appends(db, at_once=1)
    fold = Fold(state="running", titled=True)
    assert await append_worker(db, "t1", "alone", whole, FoldChange(0, fold)) == 0
    other = replace(whole, ids=["d", "e", "f"])
    async with row_taken(database_url, "first"):
        first = await blocked(appends, observer, "first")
        more = appends.append("t1", "with", other, FoldChange(0, fold))
        assert await more == 0
    await first
    rows = {}
    for name in ("alone", "with"):
        rows[name] = [
            [tuple(row) for row in await observer.fetch(query, name)]
            for query in (
                "select seq, tenant, epoch, n, type, payload::text from events "
                "where session_id = $1 order by seq",
                "select tenant, epoch, subpath, entry from transcript_entries "
                "where session_id = $1 order by ordinal",
                "select last_seq, next_n, fold::text, fold_version, state, needs_worker "
                "from sessions where id = $1",
            )
        ]
    assert rows["with"] == rows["alone"]
    assert [entry for *_, entry in rows["with"][1]] == ["one", "two", "three"]


async def test_a_batch_that_cannot_be_written_fails_alone(
    db: Database, database_url: str, observer: Any
) -> None:
    await bound(db, "first", "ok", "broken", "far")
    appends = Appends(db, at_once=1)
    async with row_taken(database_url, "first"):
        first = await blocked(appends, observer, "first")
        ok, broken, far = await asyncio.gather(
            appends.append("t1", "ok", batch(1, 1, ["ok-1"]), None),
            appends.append("t1", "broken", batch(1, 1, ["broken-1"], payload="{"), None),
            appends.append("t1", "far", batch(1, 2**63, ["far-1"]), None),
            return_exceptions=True,
        )
    await first
    assert ok == 0
    assert isinstance(broken, asyncpg.InvalidTextRepresentationError)
    assert isinstance(far, asyncpg.DataError)


async def test_a_group_does_not_wait_for_the_row_of_one_of_its_sessions(
    db: Database, database_url: str, observer: Any
) -> None:
    await bound(db, "first", "taken", "free")
    appends = Appends(db, at_once=1)
    async with row_taken(database_url, "taken"):
        async with row_taken(database_url, "first"):
            first = await blocked(appends, observer, "first")
            taken, free = [
                asyncio.create_task(appends.append("t1", name, batch(1, 1, [f"{name}-1"]), None))
                for name in ("taken", "free")
            ]
            assert await free == 0
        assert await first == 0
        assert not taken.done()
    assert await taken == 0


async def test_a_group_is_of_one_tenant_and_reaches_no_other(
    db: Database, database_url: str, observer: Any
) -> None:
    await bound(db, "first", "mine", "mine_too")
    await bound(db, "theirs", tenant="t2")
    appends = Appends(db, at_once=1)
    async with row_taken(database_url, "first"):
        first = await blocked(appends, observer, "first")
        results = await asyncio.gather(
            appends.append("t1", "mine", batch(1, 1, ["m-1"]), None),
            appends.append("t2", "theirs", batch(1, 1, ["t-1"]), None),
            appends.append("t1", "theirs", batch(1, 1, ["t-2"]), None),
            appends.append("t1", "mine_too", batch(1, 1, ["m-2"]), None),
        )
    await first
    assert list(results) == [0, 0, None, 0]
    mine, theirs, too = await transactions(observer, "mine", "theirs", "mine_too")
    assert mine == too != theirs


async def test_what_is_cancelled_while_it_waits_is_not_written(
    db: Database, database_url: str, observer: Any
) -> None:
    await bound(db, "first", "gone", "stays")
    appends = Appends(db, at_once=1)
    async with row_taken(database_url, "first"):
        first = await blocked(appends, observer, "first")
        gone = asyncio.create_task(appends.append("t1", "gone", batch(1, 1, ["gone-1"]), None))
        stays = asyncio.create_task(appends.append("t1", "stays", batch(1, 1, ["stays-1"]), None))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == 0
    await first
    assert await read_log(db, "t1", MONTH, "gone", 0, 10) == []


async def test_more_than_a_group_holds_goes_in_order_and_whole(db: Database, observer: Any) -> None:
    names = [f"sesn_{number}" for number in range(2 * MOST_BATCHES + 3)]
    await bound(db, *names)
    appends = Appends(db, at_once=1)
    bases = await asyncio.gather(
        *(appends.append("t1", name, batch(1, 1, [f"{name}-1"]), None) for name in names)
    )
    assert bases == [0] * len(names)
    assert len(set(await transactions(observer, *names))) == 4, "one alone, and three groups"


async def test_a_database_that_goes_away_is_said_to_each(
    db: Database, database_url: str, observer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appending, "PATIENCE", timedelta(minutes=1))
    await bound(db, "first", "a", "b")
    appends = Appends(db, at_once=1)
    async with row_taken(database_url, "first"), row_taken(database_url, "a"):
        first = await blocked(appends, observer, "first")
        others = [
            asyncio.create_task(appends.append("t1", name, batch(1, 1, [f"{name}-1"]), None))
            for name in ("a", "b")
        ]
        await waits_for_a_row(observer, 2)
        await observer.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where query like 'select append_worker%' and pid <> pg_backend_pid()"
        )
        for task in (first, *others):
            with pytest.raises(DATABASE_AWAY):
                await task
    assert await appends.append("t1", "b", batch(1, 1, ["b-1"]), None) == 0
