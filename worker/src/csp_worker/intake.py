"""What people do to a session, as it arrives from the log: each input acted on once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
import structlog

from csp_proto import worker_pb2 as pb
from csp_worker import claim
from csp_worker.cli import CliError
from csp_worker.engine import Engine
from csp_worker.hooks import Gate
from csp_worker.inputs import Inputs, Message, api_content
from csp_worker.outbox import Outbox
from csp_worker.runner import Runner

_log = structlog.get_logger(__name__)


class Intake:
    """Inputs to the parts that they are for. `own` keeps a task that this starts."""

    def __init__(
        self,
        inputs: Inputs,
        runner: Runner,
        gate: Gate,
        engine: Engine,
        outbox: Outbox,
        own: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        self._inputs = inputs
        self._runner = runner
        self._gate = gate
        self._engine = engine
        self._outbox = outbox
        self._own = own
        self._settings = asyncio.Lock()

    def deliver(self, item: pb.Input) -> None:
        """One input of the log; what was here before is left out."""
        if not self._inputs.advance(item.seq):
            return
        try:
            self._act(item, orjson.loads(item.payload))
        except (ValueError, KeyError, TypeError, AttributeError):
            _log.warning("input not understood", type=item.type, seq=item.seq, exc_info=True)
        cursor = pb.InputCursor(seq=self._inputs.cursor)
        self._outbox.broadcast(pb.WorkerFrame(input_cursor=cursor))

    def _act(self, item: pb.Input, body: dict[str, Any]) -> None:
        match item.type:
            case "user.message":
                self._inputs.add(_message(item, body))
                self._runner.wake()
            case "user.message_update":
                self._runner.edit(body["message_id"], api_content(body.get("content")))
            case "user.message_cancel":
                self._runner.cancel(body["message_id"])
            case "user.interrupt":
                self._runner.stop("user_interrupt")
            case "user.tool_confirmation":
                self._gate.answer(body)
            case "session.updated":
                self._updated(body)

    def _updated(self, body: dict[str, Any]) -> None:
        seat = self._engine.seat
        changes = {key: body[key] for key in ("model", "permission_mode") if body.get(key)}
        if seat is None or not changes:
            return
        # A CLI that is started again starts with what holds now.
        seat.spec = seat.spec.model_copy(update=changes)
        if mode := changes.get("permission_mode"):
            # At once: the next tool call is decided by it, whatever the CLI is doing.
            self._gate.set_mode(mode)
        if self._engine.cli is not None:
            self._own(self._tell_cli(changes), "cli-settings")

    async def _tell_cli(self, changes: dict[str, Any]) -> None:
        # One after the other, so that the last one wins.
        async with self._settings:
            cli = self._engine.cli
            if cli is None:
                return
            try:
                if model := changes.get("model"):
                    await cli.set_model(model)
                if mode := changes.get("permission_mode"):
                    await cli.set_permission_mode(claim.cli_mode(mode))
            except CliError as error:
                _log.warning("CLI did not take a setting", reason=str(error))


def _message(item: pb.Input, body: dict[str, Any]) -> Message:
    lines = {"message_id": item.id}
    for name in ("request_id", "user_id"):
        if isinstance(body.get(name), str):
            lines[name] = body[name]
    return Message(item.id, item.seq, api_content(body.get("content")), lines)
