"""One bound session: the log, the policy, the turns and the CLI of this worker, put together.

Made once, by Bind, and never replaced: a worker serves one session in its life. Input arrives
here, what the CLI does is heard here, and every end of the session goes through here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from csp_crds.agent import AgentSpec
from csp_proto import worker_pb2 as pb
from csp_worker.engine import CliUnavailable, Engine, Seat, Start
from csp_worker.eventlog import EventLog
from csp_worker.hooks import Gate
from csp_worker.ids import NewId
from csp_worker.inputs import Inputs
from csp_worker.intake import Intake
from csp_worker.journal import Journal
from csp_worker.logs import Fields
from csp_worker.metrics import Metrics
from csp_worker.outbox import Outbox
from csp_worker.outputs import Outputs
from csp_worker.plans import Plans
from csp_worker.policy import Policy
from csp_worker.reconcile import Reconciler
from csp_worker.runner import Runner
from csp_worker.spill import SpillFile
from csp_worker.toolbook import ToolBook
from csp_worker.translate import Translator
from csp_worker.turns import Turns
from csp_worker.watchdog import Watchdog

TICK_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 10.0
_GONE = {
    "cli_died": (
        "cli_restarted",
        "The agent's process ended unexpectedly and was started again. The conversation is intact; "
        "what was being done at that moment may be incomplete.",
    ),
    "memory_limit": ("cli_restarted", "The agent was started again after reaching its limit."),
}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """What Bind fixed."""

    worker_id: str
    session_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Tools:
    """What a session is given by the process around it."""

    clock: Callable[[], float]
    now: Callable[[], datetime]
    new_id: NewId
    spill: SpillFile
    memory_bytes: int
    silence_seconds: float
    metrics: Metrics
    log_fields: Fields
    plans: Plans
    outputs: Outputs


@dataclass(frozen=True, slots=True)
class Patience:
    """What the end of a session waits for, in seconds. `turn_s`: the running turn, which is stopped
    then. `facts_s`: the stopped turn, and the last facts becoming durable. `files_s`: the writer,
    which takes the files of the last turn."""

    facts_s: float
    turn_s: float = 0.0
    files_s: float = 0.0


class Session:
    """See the module. `on_end` is called with a reason and a sentence when the worker must end."""

    def __init__(
        self,
        identity: Identity,
        spec: AgentSpec,
        cursor: int,
        engine: Engine,
        gate: Gate,
        tools: Tools,
    ) -> None:
        self.identity = identity
        self.journal = journal = Journal(tools.spill, tools.memory_bytes, self._full)
        self.outbox = Outbox(journal, tools.clock, tools.silence_seconds, self._hello)
        self._tasks: list[asyncio.Task[None]] = []
        self._spec = spec
        self._engine = engine
        self._gate = gate
        self.log = EventLog(journal, self.outbox, tools.new_id, tools.now, tools.metrics)
        self.book = ToolBook(self.log)
        self.inputs = Inputs(cursor)
        structured = spec.output_schema is not None
        self.turns = Turns(self.log, tools.clock, structured)
        self.runner = Runner(
            self.log, self.turns, self.inputs, engine, spec.limits.turn_seconds,
            lambda: journal.full or self.ending, tools.log_fields,
        )  # fmt: skip
        self.translator = Translator(self.log, self.book, self.turns, tools.outputs, tools.clock)
        self.intake = Intake(self.inputs, self.runner, gate, engine, self.outbox, self._own)
        self._watchdog = Watchdog(engine, self.log, spec.limits.rss_bytes, tools.metrics)
        self._metrics = tools.metrics
        self._plans = tools.plans
        self.ending = False
        self.reconciler: Reconciler | None = None
        self.on_end: Callable[[str, str], None] = lambda reason, message: None

    async def start(
        self, seat: Seat, allowed_rules: list[str], clock: Callable[[], float]
    ) -> Start:
        """Gives the session its CLI. One that does not start is told to people, not to callers."""
        plans = self._plans
        policy = Policy.of(self._spec, allowed_rules, str(plans.directory))
        self._gate.bind(self.log, self.book, policy, plans, str(seat.cwd), clock)
        self._engine.on_message = self.translator.on_message
        self._engine.on_gone = self._cli_gone
        try:
            start = await self._engine.bind(seat)
        except CliUnavailable as error:
            self.log.failure("cli_failed", str(error), "terminal")
            start = "cold"
        self._own(self.runner.run(), "turns")
        self._own(self._watchdog.run(), "watchdog")
        self._own(self._tick(), "tick")
        self._own(self._cap(), "session-cap")
        if self.reconciler is not None:
            self.translator.on_mirror_error = self.reconciler.doubt
            self._own(self.reconciler.run(), "reconcile")
        return start

    def acknowledge(self, attachment: Any, ack: pb.Ack) -> None:
        """The log has taken facts."""
        was_full = self.journal.full
        self.outbox.acknowledge(attachment, ack.n, ack.last_seq)
        if was_full and not self.journal.full:
            self.runner.wake()

    async def end(self, reason: str, message: str, patience: Patience) -> None:
        """Says why it ends, after the last facts and before the last files are taken.

        A turn that waits for a person does not get its grace: nobody answers in time.
        """
        self.ending = True
        turn = self.turns.current
        if (
            turn is not None
            and turn.queried
            and patience.turn_s
            and not self._gate.waits_for_person
        ):
            with suppress(TimeoutError):
                await asyncio.wait_for(turn.done.wait(), patience.turn_s)
        turn = self.turns.current
        if turn is not None:
            self.runner.stop(reason)
            with suppress(TimeoutError):
                await asyncio.wait_for(turn.done.wait(), patience.facts_s if turn.queried else 0.1)
            self.turns.end("interrupted", reason)
        if self.reconciler is not None:
            await self.reconciler.settle()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.journal.wait_acked(self.journal.last_n), patience.facts_s)
        await self.outbox.say_goodbye(pb.Ending(reason=reason, message=message), patience.files_s)

    async def close(self) -> None:
        """Cancels everything it owns."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.runner.close()

    # ---- what happens by itself -----------------------------------------------------------------

    def _cli_gone(self, reason: str) -> None:
        self._metrics.cli_ends.labels(reason).inc()
        self._gate.forget_questions()
        partial = self.translator.on_cli_gone()
        lost = self.translator.tasks.lost()
        turn = self.turns.current
        if turn is not None and turn.queried:
            self.turns.end("interrupted", turn.stop or reason, partial=partial or None)
        if self.ending:
            return
        if self.reconciler is not None:
            self._own(self.reconciler.settle(), "reconcile-after-cli")
        code, message = _GONE.get(reason, _GONE["cli_died"])
        self.log.notice(code, "warning", message)
        if lost:
            self.log.notice(
                "background_work_lost",
                "warning",
                f"{lost} background task(s) ended with it. Ask for them again if you need them.",
            )

    def _full(self) -> None:
        _log.error("spill file full", last_n=self.journal.last_n, acked_n=self.journal.acked_n)
        self.runner.stop("log_unavailable")

    async def _tick(self) -> None:
        last_sign = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.outbox.check_writer()
            self._metrics.unacknowledged.set(self.journal.last_n - self.journal.acked_n)
            if loop.time() - last_sign >= KEEP_ALIVE_SECONDS:
                last_sign = loop.time()
                self.outbox.broadcast(pb.WorkerFrame(keep_alive=pb.KeepAlive()))

    async def _cap(self) -> None:
        seconds = self._spec.limits.session_seconds
        await asyncio.sleep(seconds)
        life = f"{seconds / 3600:.2g} h" if seconds >= 3600 else f"{round(seconds / 60)} min"
        message = (
            f"This session's worker has reached its life of {life}. "
            "Send a message to go on with a new one."
        )
        self.log.notice("session_time_limit", "info", message)
        self.on_end("session_cap", message)

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks = [task for task in self._tasks if not task.done()]
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._task_ended)
        self._tasks.append(task)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            return
        _log.critical("task failed", task=task.get_name(), exc_info=task.exception())
        self.on_end("internal_error", "The worker had an internal error. Send your message again.")

    def _hello(self) -> pb.WorkerHello:
        return pb.WorkerHello(
            worker_id=self.identity.worker_id,
            session_id=self.identity.session_id,
            epoch=self.identity.epoch,
            acked_n=self.journal.acked_n,
            input_cursor=self.inputs.cursor,
            turn_running=self.turns.current is not None,
        )
