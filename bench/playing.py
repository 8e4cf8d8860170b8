"""What is played, and how fast: floods that saturate the receiver, and a steady pace.

A flood hands on the next batch as soon as the transport has taken the last one. A steady pace is
what one person's stream looks like: one event each 20 ms, joined into messages as a worker joins
them, each stamped right before it is handed on, the sessions spread over the interval.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench import events
from bench.replay_worker import ReplaySession
from csp_proto import worker_pb2 as pb
from csp_worker.outbox import PREVIEW_SECONDS

DELTAS_PER_ANSWER = 1024
EVENTS_IN_FLIGHT = 4096
"""What a bare connection holds at most: enough to keep the relay busy."""

FACTS_IN_FLIGHT = 4096
"""How many facts wait for their acknowledgement at most. A worker has 4 MB of them."""


@dataclass(frozen=True, slots=True)
class Pace:
    """`rate` events a second for each player; 0 floods with batches of `batch`."""

    seconds: float
    rate: float = 0.0
    batch: int = 16


Hand = Callable[[], Awaitable[int]]
"""Hands over one message; returns how many events it held, 0 when there is nothing left."""


async def play(hands: Sequence[Hand], pace: Pace) -> int:
    """Runs every player for the time; returns how many events were handed over."""
    end = time.monotonic() + pace.seconds
    chance = random.Random(1)  # the same spread in every run
    runs = [
        _steady(hand, pace.rate, end, chance.random()) if pace.rate else _flood(hand, end)
        for hand in hands
    ]
    return sum(await asyncio.gather(*runs))


async def _flood(hand: Hand, end: float) -> int:
    sent = 0
    while time.monotonic() < end and (count := await hand()):
        sent += count
    return sent


async def _steady(hand: Hand, rate: float, end: float, phase: float) -> int:
    sent = 0
    due = time.monotonic() + phase / rate
    while due < end:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        sent += await hand()
        due += 1 / rate
    return sent


# ---- previews


class PreviewFlood:
    """One answer, serialised once and played again and again, withdrawn at its end."""

    def __init__(self, session: ReplaySession, batch: int) -> None:
        self._session = session
        self._batch = batch
        self._id = session.session_id
        self._frames = _answer(self._id, batch)
        self._place = 0

    async def hand(self) -> int:
        frame, count = self._frames[self._place]
        await self._session.write(frame)
        self._place += 1
        if self._place == len(self._frames):
            await self.finish()
        return count

    async def finish(self) -> None:
        """Withdraws the answer, whole or cut by the end of the time."""
        if self._place:
            self._place = 0
            await self._session.write(_previews([_withdrawn(events.event_id(self._id, 0))]))


def _answer(session_id: str, batch: int) -> list[tuple[bytes, int]]:
    id_ = events.event_id(session_id, 0)
    offset = 0
    frames = []
    for first in range(0, DELTAS_PER_ANSWER, batch):
        pieces = [_start(id_)] if first == 0 else []
        for _ in range(batch):
            piece = _delta(id_, offset)
            offset += piece.length
            pieces.append(piece)
        frames.append((_previews(pieces), batch))
    return frames


class PreviewStream:
    """Deltas one at a time, handed over as a worker does: at once, then joined for 33 ms.

    Each delta carries the moment at which its message is handed to gRPC.
    """

    def __init__(self, session: ReplaySession) -> None:
        self._session = session
        self._number = 0
        self._offset = 0
        self._left = 0
        self._waiting = 0
        self._next_at = 0.0
        self._flush: asyncio.Task[None] | None = None

    async def hand(self) -> int:
        if self._left == 0:
            await self._next_answer()
        self._left -= 1
        self._waiting += 1
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._flush_all(), name="previews")
        return 1

    async def _flush_all(self) -> None:
        while self._waiting:
            await asyncio.sleep(max(0.0, self._next_at - time.monotonic()))
            await self._send()

    async def _send(self) -> None:
        id_ = events.event_id(self._session.session_id, self._number)
        pieces = []
        for _ in range(self._waiting):
            piece = _delta(id_, self._offset)
            self._offset += piece.length
            pieces.append(piece)
        self._waiting = 0
        self._next_at = time.monotonic() + PREVIEW_SECONDS
        await self._session.write(events.stamped(_previews(pieces), time.monotonic_ns()))

    async def finish(self) -> None:
        if self._flush is not None:
            await self._flush
        id_ = events.event_id(self._session.session_id, self._number)
        await self._session.write(_previews([_withdrawn(id_)]))
        self._left = 0

    async def _next_answer(self) -> None:
        if self._number:
            await self.finish()
        self._number += 1
        self._offset = 0
        self._left = DELTAS_PER_ANSWER
        id_ = events.event_id(self._session.session_id, self._number)
        await self._session.write(_previews([_start(id_)]))


def _start(id_: str) -> pb.Preview:
    return pb.Preview(
        event_id=id_, event_type="agent.message", kind=pb.Preview.START, payload=events.start(id_)
    )


def _delta(id_: str, offset: int) -> pb.Preview:
    payload, length = events.delta(id_, offset)
    return pb.Preview(
        event_id=id_,
        event_type="agent.message",
        kind=pb.Preview.DELTA,
        offset=offset,
        length=length,
        payload=payload,
    )


def _withdrawn(id_: str) -> pb.Preview:
    return pb.Preview(event_id=id_, event_type="agent.message", kind=pb.Preview.WITHDRAWN)


def _previews(pieces: Sequence[pb.Preview]) -> bytes:
    return pb.WorkerFrame(previews=pb.Previews(previews=pieces)).SerializeToString()


# ---- facts


class FactFlood:
    """A fixed number of facts, serialised before the first is handed over.

    Otherwise the player would be slower than what it is to saturate.
    """

    def __init__(self, session: ReplaySession, batch: int, count: int) -> None:
        self._session = session
        self._batch = batch
        self._frames = deque(_facts(session, batch) for _ in range(count // batch))

    async def hand(self) -> int:
        if not self._frames:
            return 0
        last_n, frame = self._frames.popleft()
        await self._session.wait_acked(last_n - FACTS_IN_FLIGHT)
        await self._session.write(frame)
        return self._batch

    async def finish(self) -> None:
        """Until everything is in the log."""
        await self._session.wait_acked(self._session.next_n - 1)


class FactStream:
    """Facts one at a time, each with the moment at which it is handed over."""

    def __init__(self, session: ReplaySession) -> None:
        self._session = session

    async def hand(self) -> int:
        _, frame = _facts(self._session, 1)
        await self._session.write(events.stamped(frame, time.monotonic_ns()))
        return 1

    async def finish(self) -> None:
        await self._session.wait_acked(self._session.next_n - 1)


def _facts(session: ReplaySession, count: int) -> tuple[int, bytes]:
    """The next facts of the session: the last one's n, and the frame."""
    first = session.next_n
    session.next_n += count
    facts = []
    for _ in range(count):
        session.played += 1
        id_ = events.event_id(session.session_id, session.played)
        facts.append(pb.Fact(id=id_, type="agent.message", payload=events.fact(id_)))
    frame = pb.WorkerFrame(facts=pb.Facts(first_n=first, facts=facts))
    return session.next_n - 1, frame.SerializeToString()


# ---- without csp


class BareConnection:
    """One connection of the bare relay, with the credit that its client gives."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._credit = EVENTS_IN_FLIGHT
        self._more = asyncio.Event()

    async def serve(self) -> None:
        """Takes credit until the relay closes."""
        while data := await self._reader.read(4096):
            self._credit += len(data) * events.CREDIT
            self._more.set()
        self._writer.close()

    async def write(self, data: bytes) -> None:
        """Whole events."""
        self._credit -= len(data) // events.SIZE
        while self._credit < 0:
            self._more.clear()
            await self._more.wait()
        self._writer.write(data)
        await self._writer.drain()


class BareEvents:
    """The same bytes on a bare connection."""

    def __init__(self, connection: BareConnection, batch: int) -> None:
        self._connection = connection
        self._batch = batch
        self._one = events.delta(_BARE_ID, 0)[0]
        self._chunk = self._one * batch

    async def hand(self) -> int:
        await self._connection.write(self._chunk)
        return self._batch

    async def hand_stamped(self) -> int:
        await self._connection.write(events.stamped(self._one, time.monotonic_ns()))
        return 1


_BARE_ID = events.event_id("0" * 31, 0)
