"""Sessions that rest, are put away and are deleted."""

from __future__ import annotations

import pytest

from csp_controlplane.errors import Conflict, NotFound
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store import sessions
from csp_controlplane.store.database import Database
from support.gateways import Gateways
from support.sessions import ALICE, new_session, say, watching
from support.waiting import wait_until
from support.worker_play import worker_of


async def test_an_idle_session_gives_its_worker_back_and_a_message_wakes_it(
    gateways: Gateways,
) -> None:
    service = await gateways.start(idle_timeout=0.5)
    session = await new_session(service)
    async with watching(service, session.id) as watcher:
        await worker_of(gateways, session.id)
        await watcher.until("session.notice", code="paused")
        await wait_until(lambda: not gateways.runtime.live, what="the worker's end")
        assert (await service.get(ALICE, session.id)).state == "paused"
        sent = await say(service, session.id, "wake up")
        worker = await worker_of(gateways, session.id, nth=2)
        assert (await worker.next("input")).id == sent.id
        await watcher.until("session.notice", code="resumed")


async def test_a_deleted_session_is_closed_for_its_watchers_and_unknown_afterwards(
    gateways: Gateways,
) -> None:
    service = await gateways.start()
    session = await new_session(service)
    await worker_of(gateways, session.id)
    async with watching(service, session.id) as watcher:
        await watcher.until_frame("caught_up")
        await service.delete(ALICE, session.id)
        assert (await watcher.until_frame("closed")).code == 4410
    with pytest.raises(NotFound):
        await service.get(ALICE, session.id)
    await wait_until(lambda: not gateways.runtime.live, what="the worker's end")
    assert gateways.runtime.purged == [session.id]


async def test_an_archived_session_rests_and_comes_back(gateways: Gateways) -> None:
    service = await gateways.start()
    session = await new_session(service)
    await worker_of(gateways, session.id)
    await service.archive(ALICE, session.id)
    for subscribed in (False, True):
        with pytest.raises(Conflict, match="archived"):
            await say(service, session.id, "anyone?", subscribed=subscribed)
    assert await listed(service) == []
    await service.unarchive(ALICE, session.id)
    sent = await say(service, session.id, "hello again")
    worker = await worker_of(gateways, session.id, nth=2)
    assert (await worker.next("input")).id == sent.id


async def test_a_session_that_is_put_away_while_its_worker_is_prepared_gets_none(
    gateways: Gateways, db: Database
) -> None:
    gateways.runtime.before_start = lambda worker: worker.may_bind.clear()
    service = await gateways.start()
    session = await new_session(service)
    async with watching(service, session.id) as watcher:
        await wait_until(lambda: gateways.runtime.workers, what="a worker")
        await gateways.runtime.workers[0].asked_to_bind.wait()
        await service.archive(ALICE, session.id)
        await watcher.until("session.notice", code="paused")
        await wait_until(lambda: let_go(db, session.id), what="the keeper's end")
    assert (await service.get(ALICE, session.id)).state == "paused"
    assert len(gateways.runtime.workers) == 1
    assert not gateways.runtime.live
    assert await sessions.live_binding(db, "t1", session.id) is None


async def let_go(db: Database, session: str) -> bool:
    """Whether no gateway looks after the session."""
    async with db.tenant("t1") as connection:
        query = "select lease_until is null from sessions where id = $1"
        return bool(await connection.fetchval(query, session))


async def listed(service: SessionService) -> list[str]:
    records, _ = await service.list(
        ALICE,
        limit=5,
        cursor=None,
        include_archived=False,
        statuses=None,
        search=None,
        order="desc",
        order_by="created_at",
        agent_id=None,
        created={},
    )
    return [record.id for record in records]
