"""From a worker's facts to what a client is shown, by one gateway or two."""

from __future__ import annotations

import pytest

from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import NotFound
from csp_proto import worker_pb2 as pb
from support.gateways import Gateways
from support.hostile_worker import fact
from support.sessions import ALICE, BOB, new_session, say, watching
from support.worker_play import opening, preview, start_turn, worker_of


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
    assert slow.dropped
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
