"""From a worker's facts to a client's view, and back from a client's input to the worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import Conflict, NotFound, RateLimited
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store import sessions
from csp_proto import worker_pb2 as pb
from support.gateways import Gateways
from support.hostile_worker import HostileWorker, fact
from support.sessions import ALICE, BOB, Watcher, new_session
from support.waiting import wait_until


@asynccontextmanager
async def watching(
    service: SessionService, session: str, *, after: int = 0, who: Principal = ALICE, **have: int
) -> AsyncIterator[Watcher]:
    subscription = await service.subscribe(who, session, after=after, tail=None, previews=have)
    watcher = Watcher(subscription)
    try:
        yield watcher
    finally:
        await watcher.close()


async def say(
    service: SessionService, session: str, text: str, client_id: str | None = None
) -> Any:
    message = {"type": "user.message", "content": [{"type": "text", "text": text}]}
    sent = await service.send(
        ALICE, session, [message], client_id=client_id, request_hash=None, is_retry=False
    )
    return sent[0]


async def worker_of(gateways: Gateways, session: str, nth: int = 1) -> HostileWorker:
    await wait_until(lambda: len(gateways.runtime.workers) >= nth, what="a worker")
    worker = gateways.runtime.workers[nth - 1]
    async with asyncio.timeout(30):
        await worker.attached.wait()
    return worker


async def start_turn(worker: HostileWorker, n: int = 1, turn: str = "sevt_t1") -> str:
    """Takes the next message and starts its turn; returns the message's id."""
    message = await worker.next("input")
    ids = f'"message_ids":["{message.id}"],"message_seqs":[{message.seq}]'
    worker.facts(n, fact(turn, "span.turn_start", ids))
    await worker.next("ack")
    return str(message.id)


async def test_a_message_becomes_a_turn_that_every_watcher_sees(gateways: Gateways) -> None:
    service = await gateways.start()
    session = await new_session(service)
    async with watching(service, session.id) as one, watching(service, session.id) as two:
        worker = await worker_of(gateways, session.id)
        sent = await say(service, session.id, "hello")
        assert await start_turn(worker) == sent.id
        worker.facts(2, fact("sevt_m", "agent.message", '"content":[]'))
        worker.facts(3, fact("sevt_e", "span.turn_end", '"outcome":"completed"'))
        for watcher in (one, two):
            await watcher.until("session.status_idle")
            assert [event["type"] for event in watcher.events] == [
                "session.notice",
                "user.message",
                "session.updated",
                "span.turn_start",
                "session.status_running",
                "agent.message",
                "span.turn_end",
                "session.status_idle",
            ]
            assert watcher.seqs == list(range(1, 9))
    record = await service.get(ALICE, session.id)
    assert (record.state, record.title, record.queue) == ("active", "hello", [])


async def test_a_late_watcher_gets_the_log_and_then_what_is_live(gateways: Gateways) -> None:
    service = await gateways.start()
    session = await new_session(service)
    worker = await worker_of(gateways, session.id)
    await say(service, session.id, "hello")
    await start_turn(worker)
    async with watching(service, session.id, after=2) as watcher:
        await watcher.until("session.status_running")
        worker.facts(2, fact("sevt_m", "agent.message"))
        await watcher.until("agent.message")
        assert watcher.seqs == list(range(3, 7))
        assert (await watcher.until_frame("caught_up")).seq == 5


def preview(event_id: str, text: str, offset: int) -> pb.Preview:
    payload = f'{{"type":"event_delta","delta":{{"content":{{"text":"{text}"}}}}}}'.encode()
    return pb.Preview(
        event_id=event_id,
        event_type="agent.message",
        kind=pb.Preview.DELTA,
        offset=offset,
        length=len(text.encode()),
        payload=payload,
    )


def opening(event_id: str) -> pb.Preview:
    return pb.Preview(
        event_id=event_id,
        event_type="agent.message",
        kind=pb.Preview.START,
        payload=b'{"type":"event_start"}',
    )


async def test_a_returning_client_gets_exactly_the_missing_text(gateways: Gateways) -> None:
    service = await gateways.start()
    session = await new_session(service)
    async with watching(service, session.id) as watcher:
        worker = await worker_of(gateways, session.id)
        pieces = [opening("sevt_m"), preview("sevt_m", "grüß", 0), preview("sevt_m", "dich", 6)]
        worker.say(pb.WorkerFrame(previews=pb.Previews(previews=pieces)))
        await watcher.until_frame("previews")
    async with watching(service, session.id, sevt_m=6) as returned:
        frame = await returned.until_frame("previews")
        assert [(p.kind, p.offset) for p in frame.previews] == [("delta", 6)]
    async with watching(service, session.id) as fresh:
        frame = await fresh.until_frame("previews")
        assert [(p.kind, p.offset) for p in frame.previews] == [
            ("start", 0),
            ("delta", 0),
            ("delta", 6),
        ]
        worker.facts(1, fact("sevt_m", "agent.message"))
        await fresh.until("agent.message")
    async with watching(service, session.id) as after:
        await after.until_frame("caught_up")
        assert not [f for f in after.frames if f.kind == "previews"], "a fact ends its preview"


async def test_a_dead_worker_is_replaced_and_its_turn_is_shown_as_interrupted(
    gateways: Gateways,
) -> None:
    service = await gateways.start()
    session = await new_session(service)
    async with watching(service, session.id) as watcher:
        worker = await worker_of(gateways, session.id)
        first = await say(service, session.id, "one")
        await start_turn(worker)
        second = await say(service, session.id, "two")
        pieces = [opening("sevt_m"), preview("sevt_m", "half an ans", 0)]
        worker.say(pb.WorkerFrame(previews=pb.Previews(previews=pieces)))
        await watcher.until_frame("previews")
        await gateways.runtime.kill(session.id)
        end = await watcher.until("span.turn_end", deadline=2)
        assert end["outcome"] == "interrupted"
        assert end["message_ids"] == [first.id]
        assert end["partial"] == [{"event_id": "sevt_m", "text": "half an ans"}]
        assert (await watcher.until_frame("withdrawn")).event_id == "sevt_m"
        successor = await worker_of(gateways, session.id, nth=2)
        assert successor.bound is not None
        assert successor.bound.epoch == 2
        delivered = await successor.next("input")
        assert delivered.id == second.id, "the started message is not run again, the queued one is"
        assert watcher.seqs == sorted(set(watcher.seqs))


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


async def test_a_repeated_batch_is_taken_once_and_a_changed_one_fences(
    gateways: Gateways,
) -> None:
    service = await gateways.start()
    session = await new_session(service)
    async with watching(service, session.id) as watcher:
        worker = await worker_of(gateways, session.id)
        worker.facts(1, fact("sevt_a", "agent.message"))
        assert (await worker.next("ack")).n == 1
        worker.facts(1, fact("sevt_a", "agent.message"), fact("sevt_b", "agent.message"))
        assert (await worker.next("ack")).n == 2
        await watcher.until("agent.message", id="sevt_b")
        assert [e["id"] for e in watcher.events if e["type"] == "agent.message"] == [
            "sevt_a",
            "sevt_b",
        ]
        worker.facts(2, fact("sevt_x", "agent.message"))
        await watcher.until("session.notice", code="worker_lost")
        await worker_of(gateways, session.id, nth=2)
        assert "sevt_x" not in [event["id"] for event in watcher.events]


@pytest.mark.parametrize(
    "bad",
    [
        fact("sevt_a", "user.message"),
        fact("sevt_a", "session.usage"),
        fact("sevt_a", "session.status_idle"),
        (
            "sevt_a",
            "agent.message",
            b'{"id":"sevt_a","type":"agent.message","type":"user.message"}',
        ),
        ("sevt_a", "agent.message", b'{"id":"sevt_a","type":"agent.message"'),
        ("sevt_a", "agent.message", b'{"id":"sevt_b","type":"agent.message"}'),
        fact("sevt_a", "agent.message", '"content":"' + "x" * 1_000_001 + '"'),
    ],
    ids=["user", "cost", "lifecycle", "twice", "cut", "other-id", "large"],
)
async def test_a_worker_that_reports_what_it_may_not_is_replaced_and_audited(
    gateways: Gateways, bad: tuple[str, str, bytes]
) -> None:
    service = await gateways.start()
    session = await new_session(service)
    async with watching(service, session.id) as watcher:
        worker = await worker_of(gateways, session.id)
        worker.facts(1, bad)
        await watcher.until("session.notice", code="worker_lost")
        assert "sevt_a" not in [event["id"] for event in watcher.events]
    async with gateways.db.tenant("t1") as connection:
        audited = await connection.fetch("select action, target from audit_events")
    assert [tuple(row) for row in audited] == [("worker.invalid_event", session.id)]


async def test_an_old_worker_that_wakes_up_writes_nothing(gateways: Gateways) -> None:
    service = await gateways.start()
    session = await new_session(service)
    async with watching(service, session.id) as watcher:
        old = await worker_of(gateways, session.id)
        row = await sessions.load(gateways.db, "t1", session.id)
        assert row is not None
        await sessions.end_binding(gateways.db, "t1", session.id, row.epoch, "replaced")
        old.facts(1, fact("sevt_late", "agent.message"))
        await worker_of(gateways, session.id, nth=2)
        assert "sevt_late" not in [event["id"] for event in watcher.events]
        rows = await service.events(ALICE, session.id, limit=100)
        assert "sevt_late" not in [event.id for event in rows]


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


async def test_a_foreign_session_looks_like_an_unknown_one(gateways: Gateways) -> None:
    service = await gateways.start()
    session = await new_session(service)
    for who, id_ in (
        (BOB, session.id),
        (ALICE, "sesn_unknown"),
        (Principal("t2", "x"), session.id),
    ):
        for asked in (
            service.get(who, id_),
            service.events(who, id_, limit=1),
            service.archive(who, id_),
            service.delete(who, id_),
            service.subscribe(who, id_, after=0, tail=None, previews={}),
        ):
            with pytest.raises(NotFound) as caught:
                await asked
            assert caught.value.message == f"There is no session {id_!r}, or it is not yours."


async def test_a_client_ahead_of_the_log_is_told_so(gateways: Gateways) -> None:
    service = await gateways.start()
    session = await new_session(service)
    async with watching(service, session.id, after=999) as watcher:
        assert (await watcher.until_frame("closed")).code == 4409


async def test_a_slow_reader_is_closed_and_the_others_are_not(gateways: Gateways) -> None:
    service = await gateways.start(subscriber_bytes=20_000)
    session = await new_session(service)
    worker = await worker_of(gateways, session.id)
    slow = await service.subscribe(ALICE, session.id, after=0, tail=None, previews={})
    frames = slow.__aiter__()
    await anext(frames)
    async with watching(service, session.id) as brisk:
        for n in range(1, 41):
            worker.facts(n, fact(f"sevt_{n}", "agent.message", '"content":"' + "x" * 1000 + '"'))
            assert (await worker.next("ack")).n == n
        await brisk.until("agent.message", id="sevt_40")
    assert slow.dropped.is_set()
    rest = [frame async for frame in frames]
    assert (rest[-1].kind, rest[-1].code) == ("closed", 4408)
    await slow.close()


async def test_two_gateways_show_the_same_log(gateways: Gateways) -> None:
    one = await gateways.start("gw1")
    session = await new_session(one)
    worker = await worker_of(gateways, session.id)
    two = await gateways.start("gw2")
    gateways.redis = None
    async with watching(two, session.id) as watcher:
        sent = await say(one, session.id, "hello")
        await watcher.until("user.message", id=sent.id)
        await start_turn(worker)
        await watcher.until("session.status_running")
        assert watcher.seqs == list(range(1, len(watcher.seqs) + 1))


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
    with pytest.raises(Conflict, match="archived"):
        await say(service, session.id, "anyone?")
    assert await listed(service) == []
    await service.unarchive(ALICE, session.id)
    sent = await say(service, session.id, "hello again")
    worker = await worker_of(gateways, session.id, nth=2)
    assert (await worker.next("input")).id == sent.id


async def listed(service: SessionService) -> list[str]:
    records, _ = await service.list(
        ALICE,
        limit=5,
        cursor=None,
        include_archived=False,
        statuses=None,
        search=None,
        order="desc",
        agent_id=None,
        created={},
    )
    return [record.id for record in records]
