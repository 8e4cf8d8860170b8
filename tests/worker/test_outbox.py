"""When previews leave and in which order: an injected clock, no processes."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from csp_proto import worker_pb2 as pb
from csp_worker.attachment import Attachment
from csp_worker.eventlog import EventLog
from csp_worker.ids import new_id
from csp_worker.journal import Journal
from csp_worker.metrics import Metrics
from csp_worker.outbox import PREVIEW_SECONDS, Outbox
from csp_worker.spill import SpillFile


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(tmp_path: Path, clock: Clock) -> Outbox:
    journal = Journal(SpillFile(tmp_path / "spill", 10**6), 10**6, lambda: None)
    return Outbox(journal, clock, 5.0, pb.WorkerHello)


@pytest.fixture
def log(outbox: Outbox, clock: Clock) -> EventLog:
    return EventLog(outbox._journal, outbox, new_id, lambda: datetime.now(UTC), Metrics())


async def taken(attachment: Attachment) -> list[pb.WorkerFrame]:
    """Frames that are queued now, but for the greeting and the role."""
    await asyncio.sleep(0)
    frames = []
    while attachment.queued_bytes and (frame := await attachment.next()) is not None:
        if frame.HasField("previews") or frame.HasField("facts"):
            frames.append(frame)
    return frames


def texts(frame: pb.WorkerFrame) -> list[str]:
    return [
        json.loads(p.payload)["delta"]["content"]["text"]
        for p in frame.previews.previews
        if p.kind == pb.Preview.DELTA
    ]


async def test_the_first_piece_of_an_event_leaves_at_once_with_its_announcement(
    outbox: Outbox, log: EventLog
) -> None:
    gateway = outbox.attach("gateway", can_write=True)
    for _ in range(2):
        event_id = log.preview_start("agent.message", None)
        assert await taken(gateway) == []
        log.preview_text(event_id, "first")
        (frame,) = await taken(gateway)
        assert [p.kind for p in frame.previews.previews] == [pb.Preview.START, pb.Preview.DELTA]


async def test_what_follows_at_once_waits_and_becomes_one_piece(
    outbox: Outbox, log: EventLog, clock: Clock
) -> None:
    gateway = outbox.attach("gateway", can_write=True)
    event_id = log.preview_start("agent.message", None)
    log.preview_text(event_id, "a")
    await taken(gateway)
    for piece in "bcd":
        log.preview_text(event_id, piece)
    assert await taken(gateway) == []
    outbox.flush_previews()
    (frame,) = await taken(gateway)
    assert texts(frame) == ["bcd"]

    clock.now += PREVIEW_SECONDS
    log.preview_text(event_id, "e")
    (frame,) = await taken(gateway)
    assert texts(frame) == ["e"]


async def test_a_fact_never_overtakes_its_previews(outbox: Outbox, log: EventLog) -> None:
    gateway = outbox.attach("gateway", can_write=True)
    event_id = log.preview_start("agent.message", None)
    log.preview_text(event_id, "a")
    log.preview_text(event_id, "b")
    log.emit("agent.message", {"content": []}, event_id)
    frames = await taken(gateway)
    assert [frame.WhichOneof("frame") for frame in frames] == ["previews", "previews", "facts"]
    assert outbox.previews.snapshot() == []


async def test_facts_of_one_moment_travel_together(outbox: Outbox, log: EventLog) -> None:
    gateway = outbox.attach("gateway", can_write=True)
    for _ in range(3):
        log.emit("agent.message", {})
    (frame,) = await taken(gateway)
    assert (frame.facts.first_n, len(frame.facts.facts)) == (1, 3)


async def test_a_fact_for_which_nobody_waits_leaves_with_the_next_or_after_a_moment(
    outbox: Outbox, log: EventLog
) -> None:
    gateway = outbox.attach("gateway", can_write=True)
    log.emit("span.model_request_start", {})
    assert await taken(gateway) == []
    log.emit("agent.message", {})
    (frame,) = await taken(gateway)
    assert [fact.type for fact in frame.facts.facts] == [
        "span.model_request_start",
        "agent.message",
    ]
    log.emit("span.model_request_start", {})
    async with asyncio.timeout(5):
        frame_after = await gateway.next()
    assert frame_after is not None
    assert [fact.type for fact in frame_after.facts.facts] == ["span.model_request_start"]


async def test_a_withdrawn_preview_is_told_and_forgotten(outbox: Outbox, log: EventLog) -> None:
    gateway = outbox.attach("gateway", can_write=True)
    event_id = log.preview_start("agent.message", None)
    log.preview_text(event_id, "half")
    log.preview_withdraw(event_id)
    outbox.flush_previews()
    kinds = [p.kind for frame in await taken(gateway) for p in frame.previews.previews]
    assert kinds == [pb.Preview.START, pb.Preview.DELTA, pb.Preview.WITHDRAWN]
    assert outbox.previews.snapshot() == []


async def test_what_waits_for_one_gateway_is_bounded(
    outbox: Outbox, log: EventLog, clock: Clock
) -> None:
    slow = outbox.attach("slow", can_write=False)
    event_id = log.preview_start("agent.message", None)
    most = 0
    while not slow.closed:
        clock.now += 1
        log.preview_text(event_id, "x" * 100_000)
        most = max(most, slow.queued_bytes)
    assert most <= 16 * 1024**2
    assert slow.too_slow
    assert await slow.next() is None


async def test_facts_on_their_way_are_bounded(outbox: Outbox, log: EventLog) -> None:
    gateway = outbox.attach("gateway", can_write=True)
    count = 40
    for _ in range(count):
        log.emit("agent.message", {"content": "y" * 400_000})
    got: list[int] = []
    first = await taken(gateway)
    assert sum(f.ByteSize() for f in first) < 6 * 1024**2
    frames = first
    while frames:
        for frame in frames:
            got += [frame.facts.first_n + i for i in range(len(frame.facts.facts))]
        outbox.acknowledge(gateway, got[-1], got[-1])
        frames = await taken(gateway)
    assert got == list(range(1, count + 1))
