"""Nobody sees a fact that the database might still lose."""

from __future__ import annotations

import asyncpg

from support.gateways import Gateways
from support.hostile_worker import fact
from support.sessions import ALICE, Watcher, new_session
from support.waiting import wait_until

APPENDING = (
    "select count(*) from pg_stat_activity "
    "where wait_event_type = 'Lock' and query like '%append_worker%'"
)


async def test_a_fact_is_shown_and_acknowledged_only_after_its_commit(
    gateways: Gateways, database_url: str
) -> None:
    service = await gateways.start()
    session = await new_session(service)
    subscription = await service.subscribe(ALICE, session.id, after=0, tail=None, previews={})
    watcher = Watcher(subscription)
    await watcher.until("session.notice")
    (worker,) = gateways.runtime.workers
    await worker.next("hello")
    locker, observer = [await asyncpg.connect(database_url) for _ in range(2)]
    try:
        async with locker.transaction():
            await locker.execute("select 1 from sessions where id = $1 for update", session.id)
            worker.facts(1, fact("sevt_1", "agent.message", '"content":[]'))
            await wait_until(lambda: observer.fetchval(APPENDING), what="the append waiting")
            assert "agent.message" not in [event["type"] for event in watcher.events]
            assert worker.received.empty(), "nothing is acknowledged"
        await watcher.until("agent.message", id="sevt_1")
        assert (await worker.next("ack")).n == 1
    finally:
        await locker.close()
        await observer.close()
        await watcher.close()
