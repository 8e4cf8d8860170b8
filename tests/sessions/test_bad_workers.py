"""Workers that die, wake up late, or report what they may not."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from csp_controlplane.attach.committer import Batch, Committer
from csp_controlplane.store import sessions
from csp_proto import worker_pb2 as pb
from support.gateways import Gateways
from support.hostile_worker import fact
from support.sessions import ALICE, new_session, say, watching
from support.waiting import wait_until
from support.worker_play import opening, preview, start_turn, worker_of


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
        with capture_logs() as logs:
            old.facts(1, fact("sevt_late", "agent.message"))
            await wait_until(
                lambda: "worker_fenced" in [line["event"] for line in logs], 20, "the refusal"
            )
        assert not old.acknowledged
        await wait_until(lambda: not old.attached.is_set(), 20, "the end of its stream")
        await worker_of(gateways, session.id, nth=2)
        assert "sevt_late" not in [event["id"] for event in watcher.events]
        rows = (await service.events(ALICE, session.id, limit=100)).events
        assert "sevt_late" not in [event.id for event in rows]


async def test_an_unexpected_error_while_committing_costs_the_stream_and_not_the_session(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await gateways.start()
    session = await new_session(service)
    commit, failures = Committer.commit, [RuntimeError("of a kind that nobody has thought of")]

    async def fails_once(self: Committer, batch: Batch) -> int:
        if failures:
            raise failures.pop()
        return await commit(self, batch)

    monkeypatch.setattr(Committer, "commit", fails_once)
    async with watching(service, session.id) as watcher:
        worker = await worker_of(gateways, session.id)
        worker.facts(1, fact("sevt_a", "agent.message"))
        await wait_until(lambda: not failures, 20, "the error")
        await wait_until(lambda: worker.attachments == 2, 20, "a second stream")
        worker.facts(1, fact("sevt_a", "agent.message"))
        await watcher.until("agent.message", id="sevt_a")
        assert "worker_lost" not in [event.get("code") for event in watcher.events]


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("internal_error", "worker_lost"),
        ("shutdown", "worker_bound"),
        ("session_cap", "worker_bound"),
    ],
)
async def test_only_an_end_that_nobody_expected_is_told(
    gateways: Gateways, reason: str, code: str
) -> None:
    service = await gateways.start()
    session = await new_session(service)
    async with watching(service, session.id) as watcher:
        worker = await worker_of(gateways, session.id)
        await watcher.until("session.notice", code="worker_bound")
        known = len(watcher.events)
        worker.say(pb.WorkerFrame(ending=pb.Ending(reason=reason, message="Something broke.")))
        await worker_of(gateways, session.id, nth=2)
        wanted = {"worker_lost": "resumed"}.get(code, code)
        await wait_until(
            lambda: any(e.get("code") == wanted for e in watcher.events[known:]), what=wanted
        )
        said = [e for e in watcher.events[known:] if e["type"] == "session.notice"]
        assert said[0]["code"] == code
        assert ("Something broke." in said[0]["message"]) == (code == "worker_lost")
