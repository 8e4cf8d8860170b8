"""One gateway's stream to one bound worker.

Three tasks share the stream: reading frames, committing facts (as the writer), delivering input.
The stream ends when the worker does, when it is fenced, or when the gateway lets go; the keeper
decides what follows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

import grpc
import grpc.aio
import structlog

from csp_controlplane.attach import inputs, lifecycle
from csp_controlplane.attach.archiver import Archiver
from csp_controlplane.attach.committer import BadFact, Batch, Committer, Fenced
from csp_controlplane.attach.core import Core, spawn
from csp_controlplane.domain.events import LoggedEvent
from csp_controlplane.domain.transitions import IllegalTransition
from csp_controlplane.domain.vocabulary import INPUT_TYPES, TOOL_RESULTS
from csp_controlplane.live.frames import WITHDRAWN, Piece
from csp_controlplane.live.hub import Hub
from csp_controlplane.live.wakeup import Wakeup
from csp_controlplane.store import audit, sessions
from csp_controlplane.store.database import DATABASE_AWAY
from csp_controlplane.store.sessions import Binding
from csp_proto import worker_pb2 as pb
from csp_proto.worker_pb2_grpc import WorkerStub

log = structlog.get_logger(__name__)

EndKind = Literal["lost", "silent", "unbound", "fenced", "invalid", "released", "ended"]
_piece = attrgetter("event_id", "event_type", "kind", "offset", "length", "payload")
EXPECTED_ENDS = frozenset({"shutdown", "session_cap"})
MAX_WAITING_BATCHES = 64
RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class End:
    """Why an attachment ended; `message` is for logs and, for `ended`, from the worker.

    `expected`: the worker was asked to end, or has said in the log why it does.
    """

    kind: EndKind
    message: str = ""
    expected: bool = False


class Attachment:
    """Runs once. `release` ends it from outside."""

    def __init__(self, core: Core, hub: Hub, binding: Binding, *, leads: bool) -> None:
        """`leads`: this gateway holds the session's lease, so that no other is binding it."""
        self._core = core
        self._hub = hub
        self._binding = binding
        self._leads = leads
        self._committer = Committer(core, hub, binding.epoch)
        self._archiver = Archiver(core, hub, binding)
        self._facts: list[Batch] = []
        self._facts_came = Wakeup()
        self._facts_taken = Wakeup()
        self._due: deque[LoggedEvent] = deque()
        self._due_now = Wakeup()
        self._due_gone = Wakeup()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._writer = False
        self._tools_ran = False
        self._end: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._leave: End | None = None
        """What the worker said when it said that it ends."""
        self._greeted = Wakeup()

    @property
    def epoch(self) -> int:
        return self._binding.epoch

    def release(self) -> None:
        """Ends the stream because this gateway does not need it any more."""
        self._finish(End("released"))

    async def run(self) -> End:
        """Until the stream ends, and why it did."""
        binding, session = self._binding, self._hub.session
        metadata = self._core.tokens.metadata(binding.worker_id, session, binding.epoch)
        async with self._core.channel(binding.endpoint) as channel:
            call = WorkerStub(channel).Attach(metadata=metadata)
            try:
                spawn(self._tasks, self._guard(self._greet, call), f"attach-greet-{session}")
                spawn(self._tasks, self._guard(self._read, call), f"attach-read-{session}")
                spawn(self._tasks, self._guard(self._commit, call), f"attach-commit-{session}")
                return await self._end
            finally:
                self._hub.unlisten(self._on_events)
                call.cancel()
                for task in tuple(self._tasks):
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def _finish(self, end: End) -> None:
        if self._leave is not None and end.kind == "lost":
            end = self._leave
        if not self._end.done():
            self._end.set_result(end)

    async def _greet(self, call: Any) -> None:
        """A frozen process still takes connections: one that does not answer counts as gone."""
        hello = pb.AttachHello(gateway_id=self._core.holder, can_write=True)
        silence = self._core.settings.worker_silence
        try:
            async with asyncio.timeout(silence):
                await call.write(pb.GatewayFrame(hello=hello))
                await self._greeted.wait()
        except TimeoutError:
            self._finish(End("silent", f"the worker did not answer within {silence:g} s"))

    async def _guard(self, work: Callable[[Any], Awaitable[None]], call: Any) -> None:
        """Runs a part of the stream; a task that is cancelled before it began has begun nothing."""
        try:
            await work(call)
        except Fenced as error:
            log.warning("worker_fenced", session_id=self._hub.session, reason=str(error))
            self._finish(End("fenced", str(error)))
        except BadFact as error:
            await self._report_bad_fact(str(error))
            self._finish(End("invalid", str(error)))
        except grpc.aio.AioRpcError as error:
            self._finish(_end_of(error))
        except asyncio.InvalidStateError:
            self._finish(End("lost", "the stream was closed"))
        except DATABASE_AWAY as error:
            self._finish(End("released", f"the database is away: {error}"))
        except Exception as error:  # without this part the stream would only look alive
            log.exception("attachment_part_failed", session_id=self._hub.session)
            self._finish(End("lost", f"{type(error).__name__}: {error}"))

    # ---- from the worker

    async def _read(self, call: Any) -> None:
        async for frame in call:
            match frame.WhichOneof("frame"):
                case "previews":
                    self._show_previews(frame.previews.previews)
                case "facts":
                    facts = frame.facts
                    await self._put(Batch(facts.first_n, facts.facts, facts.transcript))
                case "advanced":
                    await self._hub.catch_up(frame.advanced.last_seq)
                case "role":
                    self._set_role(frame.role)
                case "hello":
                    self._greeted.set()
                    await self._start_delivery(call, frame.hello)
                case "ending":
                    await self._take_leave(frame.ending)
        self._finish(End("lost", "the worker closed the stream"))

    async def _take_leave(self, ending: pb.Ending) -> None:
        """The writer takes the last files and hangs up: the worker waits for that, though not for
        ever. The others stay until it has ended, because whoever ends its epoch ends it as well."""
        expected = ending.reason in EXPECTED_ENDS
        self._leave = End("ended", ending.message or ending.reason, expected)
        if self._writer:
            await self._archiver.last()
            self._finish(self._leave)

    def _show_previews(self, previews: Iterable[pb.Preview]) -> None:
        pieces: list[Piece] = list(map(_piece, previews))
        begin = 0
        for place in [place for place, piece in enumerate(pieces) if piece[2] == WITHDRAWN]:
            self._hub.preview(pieces[begin:place])
            self._hub.withdraw(pieces[place][0])
            begin = place + 1
        self._hub.preview(pieces[begin:] if begin else pieces)

    def _set_role(self, role: pb.WriterRole) -> None:
        self._writer = role.writer
        self._facts.clear()  # of an earlier grant: they will be sent again

    async def _put(self, batch: Batch) -> None:
        """Reading waits while the log is behind; HTTP/2 makes the worker wait then."""
        while len(self._facts) >= MAX_WAITING_BATCHES:
            self._facts_taken.clear()
            await self._facts_taken.wait()
        self._facts.append(batch)
        self._facts_came.set()

    # ---- to the log

    async def _commit(self, call: Any) -> None:
        while True:
            while not self._facts:
                self._facts_came.clear()
                await self._facts_came.wait()
            batch = self._merge_waiting()
            self._facts_taken.set()
            if not self._writer:
                continue
            last_seq = await self._commit_until_done(batch)
            self._archive(batch, last_seq)
            await self._inputs_first()
            ack = pb.Ack(n=batch.last_n, last_seq=last_seq)
            await call.write(pb.GatewayFrame(ack=ack))

    async def _inputs_first(self) -> None:
        """What people did before these facts reaches the worker before their acknowledgement.

        A message that was changed before its turn was in the log must not be taken as it was.
        """
        while self._due:
            self._due_gone.clear()
            await self._due_gone.wait()

    def _archive(self, batch: Batch, seq: int) -> None:
        types = {fact.type for fact in batch.facts}
        self._tools_ran = self._tools_ran or not types.isdisjoint(TOOL_RESULTS)
        if "span.turn_end" not in types:
            return
        if self._archiver.wants(seq, at_once=self._tools_ran):
            spawn(self._tasks, self._archiver.run(), f"attach-archive-{self._hub.session}")
        self._tools_ran = False

    def _merge_waiting(self) -> Batch:
        """Joins what arrived during the last commit: one statement instead of many."""
        waiting, self._facts = self._facts, []
        first = waiting[0]
        if len(waiting) == 1:
            return first
        facts, transcript = list(first.facts), list(first.transcript)
        for more in waiting[1:]:
            if more.first_n != first.first_n + len(facts):
                raise Fenced(f"n jumps from {first.first_n + len(facts)} to {more.first_n}")
            facts.extend(more.facts)
            transcript.extend(more.transcript)
        return Batch(first.first_n, facts, transcript)

    async def _commit_until_done(self, batch: Batch) -> int:
        """Waits out a database that is away: the worker keeps what is not acknowledged."""
        attempt = 0
        corrected = False
        while True:
            try:
                return await self._committer.commit(batch)
            except IllegalTransition:
                # What this gateway holds for the session's state may be old, and so may be what
                # the log says of it. A worker that contradicts both is wrong itself.
                if corrected:
                    raise
                corrected = True
                self._hub.fold = None
                await lifecycle.say_bound_late(self._core, self._hub, self._binding.epoch)
            except DATABASE_AWAY as error:
                delay = RETRY_S[min(attempt, len(RETRY_S) - 1)]
                log.warning("commit_waits_for_database", error=str(error), retry_in_s=delay)
                attempt += 1
                await asyncio.sleep(delay)

    async def _report_bad_fact(self, message: str) -> None:
        log.error("worker_sent_invalid_event", session_id=self._hub.session, reason=message)
        with suppress(*DATABASE_AWAY):
            await audit.record(
                self._core.db,
                self._hub.tenant,
                actor="gateway",
                action="worker.invalid_event",
                target=self._hub.session,
                data={"reason": message, "worker_id": self._binding.worker_id},
            )

    # ---- to the worker

    async def _start_delivery(self, call: Any, hello: pb.WorkerHello) -> None:
        if (hello.session_id, hello.epoch) != (self._hub.session, self._binding.epoch):
            self._finish(End("unbound", "the worker belongs to another session or epoch"))
            return
        if self._leads:
            await lifecycle.say_bound_late(self._core, self._hub, self._binding.epoch)
        await self._hub.catch_up()
        self._hub.listen(self._on_events)
        # What comes while the older inputs are read waits behind them.
        self._due.extendleft(reversed(await self._overdue(hello.input_cursor, self._hub.shown)))
        self._due_now.set()
        name = f"attach-deliver-{self._hub.session}"
        spawn(self._tasks, self._guard(self._deliver, call), name)

    async def _overdue(self, cursor: int, until: int) -> list[LoggedEvent]:
        """Inputs that were written before this attachment and that the worker has not had."""
        hub, bound = self._hub, self._binding.bound_seq
        row = await sessions.load(self._core.db, hub.tenant, hub.session)
        if row is None:
            raise Fenced("the session is gone")
        waiting = await inputs.log_of_inputs(
            self._core.db, hub.tenant, hub.month, hub.session, cursor, bound, row.fold
        )
        return [event for event in waiting if event.seq <= until]

    def _on_events(self, events: Sequence[LoggedEvent]) -> None:
        for event in events:
            if event.type in INPUT_TYPES:
                self._due.append(event)
                self._due_now.set()

    async def _deliver(self, call: Any) -> None:
        while True:
            while not self._due:
                self._due_now.clear()
                await self._due_now.wait()
            await call.write(await inputs.frame(self._core.db, self._hub.tenant, self._due[0]))
            self._due.popleft()
            self._due_gone.set()


def _end_of(error: grpc.aio.AioRpcError) -> End:
    message = f"{error.code().name}: {error.details()}"
    if error.code() in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNAUTHENTICATED):
        return End("unbound", message)
    return End("lost", message)


__all__ = ["Attachment", "End"]
