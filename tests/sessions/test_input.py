"""From a client's input to the worker: accepted once, in order, and by whoever has the session."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from csp_controlplane.domain.events import LoggedEvent
from csp_controlplane.errors import Conflict, RateLimited
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store import sessions
from support.gateways import Gateways
from support.hostile_worker import fact
from support.sessions import ALICE, new_session, say, watching
from support.waiting import wait_until
from support.worker_play import start_turn, worker_of


async def test_an_edited_message_reaches_the_next_worker_as_edited(gateways: Gateways) -> None:
    gateways.runtime.no_capacity = "No worker can be started: the disk is full."
    service = await gateways.start()
    session = await new_session(service)
    message = await say(service, session.id, "first words")
    async with watching(service, session.id) as watcher:
        error = await watcher.until("session.error")
        assert "the disk is full" in error["error"]["message"]
    edit = {
        "type": "user.message_update",
        "message_id": message.id,
        "content": [{"type": "text", "text": "better words"}],
    }
    await service.send(ALICE, session.id, [edit], client_id=None, request_hash=None, is_retry=False)
    gateways.runtime.no_capacity = None
    await say(service, session.id, "and more")
    worker = await worker_of(gateways, session.id)
    assert b"better words" in (await worker.next("input")).payload
    assert b"and more" in (await worker.next("input")).payload


async def test_a_question_is_answered_once_and_a_restless_tool_is_audited(
    gateways: Gateways,
) -> None:
    service = await gateways.start()
    session = await new_session(service)
    async with watching(service, session.id) as watcher:
        worker = await worker_of(gateways, session.id)
        await say(service, session.id, "go")
        await start_turn(worker)
        ask = '"name":"Bash","input":{},"evaluated_permission":"ask"'
        worker.facts(2, fact("sevt_u1", "agent.tool_use", ask))
        idle = await watcher.until("session.status_idle")
        assert idle["stop_reason"] == {"type": "requires_action", "event_ids": ["sevt_u1"]}
        assert (await service.get(ALICE, session.id)).pending == ["sevt_u1"]
        answer = {"type": "user.tool_confirmation", "tool_use_id": "sevt_u1", "result": "allow"}

        async def reply(client_id: str) -> Any:
            return await service.send(
                ALICE, session.id, [answer], client_id=client_id, request_hash=None, is_retry=False
            )

        first = await reply("a")
        assert (await worker.next("input")).type == "user.tool_confirmation"
        assert (await reply("a"))[0].seq == first[0].seq, "the same sending, the same answer"
        with pytest.raises(Conflict, match="already been answered"):
            await reply("b")
        worker.facts(3, fact("sevt_u2", "agent.tool_use", ask))
        await watcher.until("session.status_idle", deadline=5)
        worker.facts(4, fact("sevt_r2", "agent.tool_result", '"tool_use_id":"sevt_u2"'))
        await watcher.until("agent.tool_result")

        async def audited() -> list[str]:
            async with gateways.db.tenant("t1") as connection:
                rows = await connection.fetch("select action from audit_events")
            return [row["action"] for row in rows]

        seen: list[str] = await wait_until(audited)
        assert seen == ["worker.tool_without_confirmation"]


async def test_a_message_id_sent_twice_is_one_message(gateways: Gateways) -> None:
    service = await gateways.start()
    session = await new_session(service)
    one = await say(service, session.id, "hello", "c1")
    two = await say(service, session.id, "hello", "c1")
    assert (one.id, one.seq) == (two.id, two.seq)
    both = await asyncio.gather(*(say(service, session.id, "again", "c2") for _ in range(5)))
    assert len({event.id for event in both}) == 1


async def test_the_same_request_retried_within_a_minute_is_one_message(
    gateways: Gateways,
) -> None:
    service = await gateways.start()
    session = await new_session(service)
    message = {"type": "user.message", "content": [{"type": "text", "text": "hi"}]}

    async def post(retry: bool) -> Any:
        return await service.send(
            ALICE, session.id, [message], client_id=None, request_hash="h1", is_retry=retry
        )

    first = await post(retry=False)
    assert (await post(retry=True))[0].id == first[0].id
    assert (await post(retry=False))[0].id != first[0].id, "saying it again on purpose is new"


async def test_a_burst_queues_a_hundred_messages_and_refuses_the_rest(gateways: Gateways) -> None:
    gateways.runtime.no_capacity = "none"
    service = await gateways.start()
    session = await new_session(service)
    for place in range(100):
        await say(service, session.id, f"message {place}")
    with pytest.raises(RateLimited, match="100 messages are already waiting"):
        await say(service, session.id, "one too many")


async def test_a_session_whose_gateway_died_is_taken_over(gateways: Gateways) -> None:
    gateways.runtime.no_capacity = "later"
    one = await gateways.start("gw1", lease=2.0)
    session = await new_session(one)
    await say(one, session.id, "hello")
    await gateways.stack.aclose()
    gateways.runtime.no_capacity = None
    await gateways.start("gw2")
    worker = await worker_of(gateways, session.id)
    assert (await worker.next("input")).type == "user.message"


async def stale(gateways: Gateways, session: str) -> tuple[SessionService, SessionService]:
    """Two gateways with somebody at each, of which the first knows a fold that is too old."""
    one = await gateways.start("gw1")
    two = await gateways.start("gw2")
    await say(one, session, "old", subscribed=True)
    row = await sessions.load(gateways.db, "t1", session)
    knows = one._attacher.known(session)
    assert row is not None
    assert knows is not None
    await say(two, session, "news")
    await knows.catch_up()
    knows.fold = row.fold_version, row.fold
    return one, two


async def test_what_a_gateway_believes_of_a_session_decides_nothing(gateways: Gateways) -> None:
    first = await gateways.start("gw0")
    session = await new_session(first)
    async with watching(first, session.id):
        worker = await worker_of(gateways, session.id)
        await say(first, session.id, "begin")
        await start_turn(worker)
        one, two = await stale(gateways, session.id)
        sent = await say(one, session.id, "newest", subscribed=True)
        texts = [orjson.loads(e.raw)["content"] for e in await messages(two, session.id)]
        assert [content[0]["text"] for content in texts] == [
            "begin",
            "old",
            "news",
            "newest",
        ]
        fold = (await sessions.load(gateways.db, "t1", session.id)).fold  # type: ignore[union-attr]
        assert [queued.id for queued in fold.queue][-1] == sent.id
        assert len(fold.queue) == 3


async def test_a_refusal_is_never_for_something_that_was_believed(gateways: Gateways) -> None:
    first = await gateways.start("gw0")
    session = await new_session(first)
    async with watching(first, session.id):
        worker = await worker_of(gateways, session.id)
        await say(first, session.id, "begin")
        await start_turn(worker)
        one, two = await stale(gateways, session.id)
        news = (await messages(two, session.id))[-1]
        cancel = {"type": "user.message_cancel", "message_id": news.id}
        await one.send(
            ALICE,
            session.id,
            [cancel],
            client_id="c",
            request_hash=None,
            is_retry=False,
            subscribed=True,
        )
        fold = (await sessions.load(gateways.db, "t1", session.id)).fold  # type: ignore[union-attr]
        assert news.id not in [queued.id for queued in fold.queue]


async def messages(service: SessionService, session: str) -> Sequence[LoggedEvent]:
    return (await service.events(ALICE, session, limit=100, types=["user.message"])).events
