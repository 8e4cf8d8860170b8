"""What leaves the worker: facts to the writer, previews to every gateway, in one order.

A preview is sent at once when nothing was sent just before, and otherwise waits a frame's time, so
that a fast stream becomes few messages. A fact never overtakes the previews that led to it. Facts
on their way to the writer are bounded; the rest waits in the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from csp_proto import worker_pb2 as pb
from csp_worker.attachment import Attachment
from csp_worker.journal import Journal
from csp_worker.previews import PreviewBoard
from csp_worker.writer import Election

PREVIEW_SECONDS = 0.033
PATIENT_SECONDS = 0.02
"""How long a fact that nobody waits for may wait for the next one: they are committed together, and
not while the first words of an answer are on their way."""
IN_FLIGHT_BYTES = 4 * 1024 * 1024
_PREVIEW_OVERHEAD = 96


class Outbox:
    """The attached gateways of one bound session."""

    def __init__(
        self,
        journal: Journal,
        clock: Callable[[], float],
        silence_seconds: float,
        hello: Callable[[], pb.WorkerHello],
    ) -> None:
        self.previews = PreviewBoard()
        self._journal = journal
        self._clock = clock
        self._hello = hello
        self._attached: list[Attachment] = []
        self._election: Election[Attachment] = Election(clock, silence_seconds)
        self._sent_n = 0
        self._in_flight: dict[int, int] = {}
        self._last_seq = 0
        self._previews_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._patient = False

    # ---- gateways -------------------------------------------------------------------------------

    def attach(self, gateway_id: str, can_write: bool) -> Attachment:
        """A new stream: greeted, told what is being written, made the writer if there is none."""
        self.flush_previews()
        attachment = Attachment(gateway_id, can_write)
        attachment.send(pb.WorkerFrame(hello=self._hello()), 64)
        self._attached.append(attachment)
        if self._last_seq:
            advanced = pb.Advanced(last_seq=self._last_seq)
            self._send_one(attachment, pb.WorkerFrame(advanced=advanced))
        self._send_previews([attachment], self.previews.snapshot())
        self.check_writer()
        return attachment

    def detach(self, attachment: Attachment) -> None:
        """Its stream has ended."""
        attachment.close()
        if attachment in self._attached:
            self._attached.remove(attachment)
        self.check_writer()

    def check_writer(self) -> None:
        """Moves the role if it has to; called when streams come and go, and every half second."""
        before = self._election.writer
        after = self._election.choose(self._attached)
        if after is before:
            return
        if before is not None:
            self._send_one(before, pb.WorkerFrame(role=pb.WriterRole(writer=False)))
        self._election.grant(after)
        self._in_flight.clear()
        self._sent_n = self._journal.acked_n
        if after is not None:
            role = pb.WriterRole(writer=True, next_n=self._journal.acked_n + 1)
            self._send_one(after, pb.WorkerFrame(role=role))
            self.pump()

    def acknowledge(self, attachment: Attachment, n: int, last_seq: int) -> None:
        """The log holds every fact up to n. A former writer's word is as good: it committed."""
        if not self._journal.ack(n):
            return
        self._sent_n = max(self._sent_n, n)
        for sent in [sent for sent in self._in_flight if sent <= n]:
            del self._in_flight[sent]
        if attachment is self._election.writer:
            self._election.acknowledged(not self._in_flight)
        self._last_seq = max(self._last_seq, last_seq)
        advanced = pb.WorkerFrame(advanced=pb.Advanced(last_seq=last_seq))
        for other in self._attached:
            if other is not attachment:
                self._send_one(other, advanced)
        self.pump()

    def broadcast(self, frame: pb.WorkerFrame) -> None:
        """To every gateway: the input cursor, a sign of life, the end."""
        for attachment in self._attached:
            self._send_one(attachment, frame)

    async def say_goodbye(self, ending: pb.Ending, wait_s: float) -> None:
        """The last frame, and the end of every stream. The writer gets `wait_s` to hang up by
        itself: until then it takes the files."""
        writer = self._election.writer
        self.broadcast(pb.WorkerFrame(ending=ending))
        if writer is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(writer.until_closed(), wait_s)
        self.close()

    def close(self) -> None:
        """Ends every stream after what is queued for it."""
        self.flush_previews()
        for attachment in self._attached:
            attachment.close()

    # ---- facts ----------------------------------------------------------------------------------

    def facts_added(self, *, patient: bool = False) -> None:
        """The journal has grown: previews first, then the facts, with what this moment adds."""
        if self.previews.has_pending:
            self.flush_previews()
        loop = asyncio.get_running_loop()
        if self._soon is not None and not patient and self._patient:
            self._soon.cancel()
            self._soon = None
        if self._soon is None:
            self._patient = patient
            self._soon = (
                loop.call_later(PATIENT_SECONDS, self._pump_soon)
                if patient
                else loop.call_soon(self._pump_soon)
            )

    def pump(self) -> None:
        """Gives the writer what it may have now."""
        writer = self._election.writer
        if writer is None or self._journal.last_n == self._sent_n:
            return
        self._journal.freeze()
        for last_n, facts in self._journal.batches(self._sent_n):
            if self._in_flight and sum(self._in_flight.values()) > IN_FLIGHT_BYTES:
                return
            size = facts.ByteSize()
            writer.send(pb.WorkerFrame(facts=facts), size)
            self._sent_n = last_n
            self._in_flight[last_n] = size
            self._election.sent()

    def _pump_soon(self) -> None:
        self._soon = None
        self.pump()

    # ---- previews -------------------------------------------------------------------------------

    def previews_changed(self) -> None:
        """Sends now or soon, depending on when the last ones went.

        The first piece of an event goes at once, together with its announcement: that is what a
        person waits for.
        """
        if self.previews.has_new:
            self.flush_previews()
            return
        if self._timer is not None or not self.previews.has_pending:
            return
        wait = self._previews_at + PREVIEW_SECONDS - self._clock()
        if wait <= 0:
            self.flush_previews()
        else:
            self._timer = asyncio.get_running_loop().call_later(wait, self.flush_previews)

    def flush_previews(self) -> None:
        """Sends what is pending."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.previews.has_pending:
            self._previews_at = self._clock()
            self._send_previews(self._attached, self.previews.flush())

    def _send_previews(self, to: list[Attachment], previews: list[pb.Preview]) -> None:
        if not previews:
            return
        frame = pb.WorkerFrame(previews=pb.Previews(previews=previews))
        size = sum(len(preview.payload) + _PREVIEW_OVERHEAD for preview in previews)
        for attachment in to:
            attachment.send(frame, size)

    def _send_one(self, attachment: Attachment, frame: pb.WorkerFrame) -> None:
        attachment.send(frame, 32)
