"""The log's append functions on a real PostgreSQL: fences, repetition, tenants."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from csp_controlplane.domain.events import NewEvent
from csp_controlplane.domain.fold import Fold
from csp_controlplane.store import sessions
from csp_controlplane.store.database import Database
from csp_controlplane.store.log import (
    FoldChange,
    LogQuery,
    WorkerBatch,
    append_control,
    append_worker,
    ends_the_log,
    log_heads,
    query_log,
    read_log,
    read_log_text,
)
from csp_controlplane.store.sessions import open_epoch, take_lease
from support.rows import MONTH, batch, make_session


async def open_first_epoch(db: Database, worker: str = "wrkr_1") -> int:
    assert await take_lease(db, "t1", "sesn_1", "gw", 60)
    epoch = await open_epoch(
        db,
        "t1",
        "sesn_1",
        holder="gw",
        worker_id=worker,
        endpoint="unix:/x",
        handle_hash=worker.encode(),
    )
    assert epoch is not None
    return epoch


def event(id_: str, key: str | None = None, payload: bytes = b"{}") -> NewEvent:
    return NewEvent(id_, "user.message", payload, key)


async def test_worker_and_control_events_share_one_sequence(db: Database) -> None:
    await make_session(db)
    epoch = await open_first_epoch(db)
    assert await append_worker(db, "t1", "sesn_1", batch(epoch, 1, ["a", "b"]), None) == 0
    added = await append_control(db, "t1", "sesn_1", [event("c")], None)
    assert (added.outcome, added.base) == ("appended", 2)
    assert await append_worker(db, "t1", "sesn_1", batch(epoch, 3, ["d"]), None) == 3
    logged = await read_log(db, "t1", MONTH, "sesn_1", 0, 10)
    assert [(e.seq, e.id) for e in logged] == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    assert await log_heads(db, ["sesn_1"]) == {"sesn_1": 4}


@pytest.mark.parametrize(("first_n", "why"), [(1, "repeated"), (3, "a gap")])
async def test_numbers_that_do_not_continue_append_nothing(
    db: Database, first_n: int, why: str
) -> None:
    await make_session(db)
    epoch = await open_first_epoch(db)
    assert await append_worker(db, "t1", "sesn_1", batch(epoch, 1, ["a"]), None) == 0
    again = batch(epoch, first_n, ["z"])
    assert await append_worker(db, "t1", "sesn_1", again, None) is None, why
    assert len(await read_log(db, "t1", MONTH, "sesn_1", 0, 10)) == 1


async def test_an_old_epoch_appends_nothing(db: Database) -> None:
    await make_session(db)
    old = await open_first_epoch(db)
    new = await open_first_epoch(db, "wrkr_2")
    assert new == old + 1
    assert await append_worker(db, "t1", "sesn_1", batch(old, 1, ["a"]), None) is None
    assert await append_worker(db, "t1", "sesn_1", batch(new, 1, ["b"]), None) == 0


async def test_an_ended_epoch_appends_nothing_before_the_next_one_opens(db: Database) -> None:
    await make_session(db)
    epoch = await open_first_epoch(db)
    assert await sessions.end_binding(db, "t1", "sesn_1", epoch, "lost")
    assert await append_worker(db, "t1", "sesn_1", batch(epoch, 1, ["a"]), None) is None


async def test_an_epoch_opens_only_for_the_holder_of_the_lease(db: Database) -> None:
    await make_session(db)
    assert await take_lease(db, "t1", "sesn_1", "gw", 60)
    assert not await take_lease(db, "t1", "sesn_1", "other", 60)
    refused = await open_epoch(
        db, "t1", "sesn_1", holder="other", worker_id="w", endpoint="", handle_hash=b"h"
    )
    assert refused is None


async def test_one_worker_never_serves_two_sessions(db: Database) -> None:
    await make_session(db)
    await make_session(db, session="sesn_2")
    await open_first_epoch(db)
    assert await take_lease(db, "t1", "sesn_2", "gw", 60)
    with pytest.raises(sessions.WorkerUsed):
        await open_epoch(
            db, "t1", "sesn_2", holder="gw", worker_id="wrkr_1", endpoint="", handle_hash=b"2"
        )


async def test_a_fold_is_written_only_on_the_version_it_was_made_from(db: Database) -> None:
    await make_session(db)
    first = await append_control(
        db, "t1", "sesn_1", [event("a")], FoldChange(0, Fold(state="active"))
    )
    assert first.outcome == "appended"
    stale = await append_control(
        db, "t1", "sesn_1", [event("b")], FoldChange(0, Fold(state="paused"))
    )
    assert stale.outcome == "stale"
    row = await sessions.load(db, "t1", "sesn_1")
    assert row is not None
    assert (row.fold.state, row.fold_version, row.last_seq) == ("active", 1, 1)


async def test_a_message_id_is_written_once(db: Database) -> None:
    await make_session(db)
    await append_control(db, "t1", "sesn_1", [event("x"), event("a", "c:1")], None)
    again = await append_control(db, "t1", "sesn_1", [event("b", "c:1")], None)
    assert (again.outcome, again.base) == ("duplicate", 2)


async def test_another_tenant_sees_and_writes_nothing(db: Database) -> None:
    await make_session(db)
    async with db.tenant("t2") as connection:
        await connection.execute("insert into tenants values ('t2', 'T')")
    assert await sessions.load(db, "t2", "sesn_1") is None
    foreign = await append_control(db, "t2", "sesn_1", [event("a")], None)
    assert foreign.outcome == "missing"
    assert await read_log(db, "t2", MONTH, "sesn_1", 0, 10) == []
    async with db.untenanted() as connection:
        assert await connection.fetch("select * from sessions") == []


async def test_the_partition_itself_is_out_of_reach(db: Database) -> None:
    await make_session(db)
    async with db.tenant("t1") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select * from events_202605")


async def test_history_cannot_be_rewritten(db: Database) -> None:
    await make_session(db)
    await append_control(db, "t1", "sesn_1", [event("a")], None)
    async with db.tenant("t1") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("update events set type = 'x'")


async def test_bytes_come_back_exactly(db: Database) -> None:
    await make_session(db)
    odd = '{ "z": 1, "a":"\\u0000\\ud800 é\U0001f600",  "a": 2 }'.encode()
    await append_control(db, "t1", "sesn_1", [event("a", payload=odd)], None)
    assert (await read_log(db, "t1", MONTH, "sesn_1", 0, 1))[0].raw == odd
    assert await read_log_text(db, "t1", MONTH, "sesn_1", 0, 1) == (1, 1, odd.decode())


async def test_a_page_of_text_is_a_part_of_the_log_and_ends_where_it_gets_large(
    db: Database,
) -> None:
    await make_session(db)
    large = b'{"text":"%s"}' % (b"x" * 1_900_000)
    payloads = [b'{"n":1}', large, large, large, b'{"n":5}']
    for place, payload in enumerate(payloads):
        await append_control(db, "t1", "sesn_1", [event(f"e{place}", payload=payload)], None)

    async def page(after: int, limit: int = 1000) -> tuple[int, int, str] | None:
        return await read_log_text(db, "t1", MONTH, "sesn_1", after, limit)

    assert await page(0, 1) == (1, 1, '{"n":1}')
    first = await page(0)
    assert first is not None
    assert first[:2] == (1, 4), "the fourth event takes it beyond 4 MB"
    assert first[2].encode() == b",".join(payloads[:4])
    assert await page(4) == (5, 5, '{"n":5}')
    assert await page(5) is None
    assert await read_log_text(db, "t2", MONTH, "sesn_1", 0, 10) is None


async def test_a_page_of_events_ends_where_it_gets_large_and_says_whether_more_follow(
    db: Database,
) -> None:
    await make_session(db)
    large = b'{"text":"%s"}' % (b"x" * 1_900_000)
    payloads = [b'{"n":1}', large, large, large, b'{"n":5}']
    for place, payload in enumerate(payloads):
        await append_control(db, "t1", "sesn_1", [event(f"e{place}", payload=payload)], None)
    first = await read_log(db, "t1", MONTH, "sesn_1", 0, 1000)
    assert [e.raw for e in first] == payloads[:4], "the fourth event takes it beyond 4 MB"
    assert not ends_the_log(first, 1000)
    rest = await read_log(db, "t1", MONTH, "sesn_1", 4, 1000)
    assert [e.raw for e in rest] == payloads[4:]
    assert ends_the_log(rest, 1000)
    assert not ends_the_log(await read_log(db, "t1", MONTH, "sesn_1", 4, 1), 1)
    assert await read_log(db, "t2", MONTH, "sesn_1", 0, 10) == []


async def test_a_queried_page_ends_where_it_gets_large_in_both_orders(db: Database) -> None:
    await make_session(db)
    large = b'{"text":"%s"}' % (b"x" * 1_900_000)
    payloads = [b'{"n":1}', large, large, large, b'{"n":5}']
    for place, payload in enumerate(payloads):
        await append_control(db, "t1", "sesn_1", [event(f"e{place}", payload=payload)], None)

    async def page(limit: int = 1000, **more: Any) -> tuple[list[int], bool]:
        found = await query_log(db, "t1", MONTH, "sesn_1", LogQuery(limit, **more))
        assert [e.raw for e in found.events] == [payloads[e.seq - 1] for e in found.events]
        return [e.seq for e in found.events], found.more

    assert await page() == ([1, 2, 3, 4], True)
    assert await page(after=4) == ([5], False)
    assert await page(descending=True) == ([5, 4, 3, 2], True)
    assert await page(descending=True, before=2) == ([1], False)
    assert await page(1) == ([1], True)
    assert await page(1, after=4) == ([5], False)
    assert await page(after=5) == ([], False)


async def test_a_repeated_transcript_line_is_read_once(db: Database) -> None:
    await make_session(db)
    epoch = await open_first_epoch(db)
    lines = ['{"uuid":"1"}', '{"title":"x"}', '{"uuid":"1"}', '{"uuid":"2"}']
    only_lines = WorkerBatch(epoch, 1, [], [], [], [], [""] * 4, lines)
    assert await append_worker(db, "t1", "sesn_1", only_lines, None) == 0
    stored = await sessions.transcript(db, "t1", MONTH, "sesn_1")
    assert [entry for _, entry in stored] == ['{"uuid":"1"}', '{"title":"x"}', '{"uuid":"2"}']


async def test_a_session_that_works_is_found_when_its_gateway_is_gone(db: Database) -> None:
    await make_session(db)
    assert await sessions.needing_worker(db, 10) == [("t1", "sesn_1")]
    await take_lease(db, "t1", "sesn_1", "gw", 60)
    assert await sessions.needing_worker(db, 10) == []
    assert await sessions.renew_leases(db, "other", ["sesn_1"], 60) == set()
    assert await sessions.renew_leases(db, "gw", ["sesn_1"], 60) == {"sesn_1"}
    await sessions.drop_lease(db, "t1", "sesn_1", "gw")
    assert await sessions.needing_worker(db, 10) == [("t1", "sesn_1")]
