"""The turn loop: one message after the other, each written down and asked.

A message's turn is in the log before the model hears of it, so that after any crash it is known
whether it was started. The CLI gets the message at once, because it thinks for longer than the log
needs; its request waits in the model proxy until the log has the turn. Stopping a turn escalates:
interrupt, then SIGTERM, then SIGKILL to everything, five seconds apart.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

from csp_worker.cli import CliError
from csp_worker.engine import CliUnavailable, Engine
from csp_worker.eventlog import EventLog
from csp_worker.inputs import Inputs, Message
from csp_worker.logs import Fields, lines_with
from csp_worker.turns import Turn, Turns

STEP_SECONDS = 5.0
_log = structlog.get_logger(__name__)


class Runner:
    """Owns the loop, the turn's clock and the stopping of turns."""

    def __init__(
        self,
        log: EventLog,
        turns: Turns,
        inputs: Inputs,
        engine: Engine,
        turn_seconds: float,
        blocked: Callable[[], bool],
        log_fields: Fields,
    ) -> None:
        self._log = log
        self._turns = turns
        self._inputs = inputs
        self._engine = engine
        self._turn_seconds = turn_seconds
        self._blocked = blocked
        self._log_fields = log_fields
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._starting: Message | None = None
        self._stopper: asyncio.Task[None] | None = None
        turns.on_change = self._on_turn_change

    def wake(self) -> None:
        """Something changed that may let a message start."""
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._end_in_log()
            message = None
            if self._turns.current is None and not self._blocked():
                message = self._inputs.take()
            if message is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            with lines_with(self._log_fields, message.lines):
                await self._turn(message)

    def edit(self, message_id: str, content: list[dict[str, Any]]) -> None:
        """A person changed a message that waits.

        The CLI may have one already that was still waiting for the log. Its turn ends then, and
        the person sees the new text with what became of it.
        """
        turn = self._turns.current
        if turn is not None and self._starting is not None and self._starting.id == message_id:
            self._starting.content = content
            if turn.queried:
                self.stop("message_changed")
        self._inputs.edit(message_id, content)

    def cancel(self, message_id: str) -> None:
        if self._starting is not None and self._starting.id == message_id:
            self.stop("message_cancelled")
        self._inputs.cancel(message_id)

    def stop(self, reason: str) -> None:
        """Asks the running turn to end; the first reason stays."""
        turn = self._turns.current
        if turn is None or turn.stop is not None:
            return
        turn.stop = reason
        if turn.queried:
            self._stop_soon(turn)

    async def close(self) -> None:
        """Cancels what it owns besides `run`."""
        if self._timer is not None:
            self._timer.cancel()
        if self._stopper is not None:
            self._stopper.cancel()
            with suppress(asyncio.CancelledError):
                await self._stopper

    async def _end_in_log(self) -> None:
        """Until then the proxy takes the next turn's request for one of the turn before."""
        known = None
        while (end := self._turns.last_end) is not None and end is not known:
            await self._log.durable(end)
            known = end

    async def _turn(self, message: Message) -> None:
        self._starting = message
        turn = self._turns.begin("user", [(message.id, message.seq)], str(uuid.uuid4()))
        await self._ask(turn, message)
        _log.info("turn started", turn_id=turn.start.id)
        await self._log.durable(turn.start)
        self._starting = None
        await turn.done.wait()

    async def _ask(self, turn: Turn, message: Message) -> None:
        try:
            cli = await self._engine.ready()
        except CliUnavailable as error:
            self._log.failure("cli_failed", str(error), "terminal")
            problem = {"type": "cli_failed", "message": str(error)}
            self._turns.end("error", "cli_failed", error=problem)
            return
        if turn.stop is not None:
            self._turns.end("interrupted", turn.stop)
            return
        turn.queried = True
        try:
            await cli.query(message.content, str(turn.uuid))
        except CliError:
            # It has died, or must: the turn ends when its end is noticed.
            _log.info("message not taken by the CLI", exc_info=True)
            cli.kill()
        if turn.stop is not None:
            self._stop_soon(turn)

    def _on_turn_change(self, turn: Turn | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if turn is None:
            self._changed.set()
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._turn_seconds, self._over_time, turn)

    def _over_time(self, turn: Turn) -> None:
        if self._turns.current is not turn:
            return
        minutes = max(1, round(self._turn_seconds / 60))
        self._log.notice(
            "turn_time_limit",
            "warning",
            f"This answer was stopped because it took longer than {minutes} min, the limit for "
            "one answer. Send a message to go on from here.",
            {"turn_seconds": self._turn_seconds},
        )
        self.stop("turn_time_limit")

    def _stop_soon(self, turn: Turn) -> None:
        if self._stopper is None or self._stopper.done():
            self._stopper = asyncio.create_task(self._escalate(turn), name="stop-turn")

    async def _escalate(self, turn: Turn) -> None:
        cli = self._engine.cli
        if cli is None:
            return
        for step in (cli.interrupt, cli.terminate, cli.kill):
            with suppress(CliError, TimeoutError):
                async with asyncio.timeout(STEP_SECONDS):
                    if (waiting := step()) is not None:
                        await waiting
            try:
                async with asyncio.timeout(STEP_SECONDS):
                    await turn.done.wait()
            except TimeoutError:
                _log.warning("turn does not end", after=step.__name__)
            else:
                return
