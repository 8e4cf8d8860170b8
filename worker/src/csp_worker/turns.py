"""The turn that runs: its beginning and its end in the log, whoever caused either.

At most one turn runs. A turn begins with a message, or by itself when background work has come to
an end and the CLI goes on about it. How it ended is never read from the result's subtype, which
says "success" of failed requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from csp_worker.eventlog import Emitted, EventLog
from csp_worker.sentences import NO_ANSWER, TERMINAL_REASONS, Failure

Outcome = Literal["completed", "interrupted", "error"]
_log = structlog.get_logger(__name__)
_ABORTED = frozenset({"aborted_streaming", "aborted_tools"})
_USAGE_KEYS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)


@dataclass(slots=True)
class Turn:
    """One turn. `stop` is why somebody wants it to end; `queried`: the CLI works on it."""

    start: Emitted
    origin: Literal["user", "task"]
    message_ids: list[str]
    uuid: str | None
    started_at: float
    stop: str | None = None
    queried: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Turns:
    """Begins and ends turns; `on_change` hears of both."""

    def __init__(self, log: EventLog, clock: Callable[[], float], structured: bool) -> None:
        self._log = log
        self._clock = clock
        self._structured = structured
        self.current: Turn | None = None
        self.last_end: Emitted | None = None
        self.on_change: Callable[[Turn | None], None] = lambda turn: None

    def begin(
        self, origin: Literal["user", "task"], messages: list[tuple[str, int]], uuid: str | None
    ) -> Turn:
        """Writes `span.turn_start`; `messages` are ids with their places in the log.

        `uuid` is the prompt's in the CLI's transcript: by it the log tells where the turn begins
        there.
        """
        fields: dict[str, Any] = {
            "message_ids": [message_id for message_id, _ in messages],
            "message_seqs": [seq for _, seq in messages],
            "origin": origin,
        }
        if uuid is not None:
            fields["prompt_uuid"] = uuid
        start = self._log.emit("span.turn_start", fields)
        ids = fields["message_ids"]
        self.current = Turn(start, origin, ids, uuid, self._clock())
        self.on_change(self.current)
        return self.current

    def on_init(self, message: dict[str, Any]) -> None:
        """The CLI starts working: on the turn that was begun, or on one of its own."""
        if self.current is None:
            self.begin("task", [], None).queried = True

    def on_result(self, message: dict[str, Any], failure: Failure | None) -> None:
        """The CLI's last word about a turn."""
        turn = self.current
        if turn is None or not _concerns(message, turn):
            return
        reason = str(message.get("terminal_reason") or "")
        more = {
            "num_turns": message.get("num_turns"),
            "usage": _usage(message.get("usage")),
            "structured_output": message.get("structured_output"),
        }
        if turn.stop is not None or reason in _ABORTED:
            self.end("interrupted", turn.stop or "user_interrupt", **more)
        elif failure is not None:
            self._fail(failure.type, failure.message, failure.again, reason, more)
        elif message.get("is_error"):
            reason = reason if reason in TERMINAL_REASONS else str(message.get("subtype"))
            self._fail(reason, TERMINAL_REASONS.get(reason, NO_ANSWER), False, reason, more)
        else:
            missing = self._structured and more["structured_output"] is None
            self.end("completed", "structured_output_missing" if missing else "end_turn", **more)

    def end(self, outcome: Outcome, reason: str, **more: Any) -> None:
        """Writes `span.turn_end` of the current turn, if there is one."""
        turn, self.current = self.current, None
        if turn is None:
            return
        fields = {
            "outcome": outcome,
            "reason": reason,
            "turn_start_id": turn.start.id,
            "message_ids": turn.message_ids,
            "duration_ms": round((self._clock() - turn.started_at) * 1000),
            **more,
        }
        self.last_end = self._log.emit("span.turn_end", fields)
        _log.info("turn ended", turn_id=turn.start.id, outcome=outcome, reason=reason)
        turn.done.set()
        self.on_change(None)

    def _fail(
        self, kind: str, message: str, again: bool, reason: str, more: dict[str, Any]
    ) -> None:
        self._log.failure(kind, message, "exhausted" if again else "terminal")
        error = {"type": kind, "message": message}
        self.end("error", reason or kind, error=error, **more)


def _concerns(message: dict[str, Any], turn: Turn) -> bool:
    """Whether a result ends this turn: one of background work may come in between."""
    if turn.uuid is None:
        return True
    uuids = message.get("user_message_uuids") or []
    if turn.uuid in uuids:
        return True
    return not uuids and not message.get("origin") and turn.queried


def _usage(usage: Any) -> dict[str, int] | None:
    if not isinstance(usage, dict):
        return None
    return {key: usage[key] for key in _USAGE_KEYS if isinstance(usage.get(key), int)}
