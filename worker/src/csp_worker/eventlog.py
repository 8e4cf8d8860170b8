"""The worker's side of the session's log: facts get their number and their way out here.

Everything that happens in a session is told to this object, in the order in which it happened, by
the one event loop. It hides numbering, serialising, spilling and sending.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from csp_worker.event import encode
from csp_worker.ids import NewId
from csp_worker.journal import Journal
from csp_worker.metrics import Metrics
from csp_worker.outbox import Outbox
from csp_worker.previews import PreviewType

PARTIAL_BYTES = 64 * 1024
PATIENT_TYPES = frozenset({"span.model_request_start"})
"""Facts for which neither a person nor the CLI waits."""


@dataclass(frozen=True, slots=True)
class Emitted:
    """A fact in the journal."""

    id: str
    n: int


class EventLog:
    """Facts and previews of one bound session."""

    def __init__(
        self,
        journal: Journal,
        outbox: Outbox,
        new_id: NewId,
        now: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        self._journal = journal
        self._outbox = outbox
        self._new_id = new_id
        self._now = now
        self._metrics = metrics

    def new_event_id(self) -> str:
        """For a fact that is announced before it is written."""
        return self._new_id("sevt")

    def new_thread_id(self) -> str:
        return self._new_id("sthr")

    def emit(self, event_type: str, fields: dict[str, Any], event_id: str | None = None) -> Emitted:
        """Writes a fact; with `event_id` it takes the place of that preview."""
        event = encode(event_id or self.new_event_id(), event_type, fields, self._now())
        n = self._journal.append(event)
        self._metrics.events.labels(event_type).inc()
        self._outbox.facts_added(patient=event_type in PATIENT_TYPES)
        self._outbox.previews.finish(event.id)
        return Emitted(event.id, n)

    def notice(self, code: str, level: str, message: str, data: Any = None) -> Emitted:
        """`session.notice`: something a person should know."""
        return self.emit(
            "session.notice", {"code": code, "level": level, "message": message, "data": data}
        )

    def failure(self, kind: str, message: str, retry: str, **more: Any) -> Emitted:
        """`session.error`; `retry` is retrying, exhausted or terminal."""
        error = {"type": kind, "message": message, "retry_status": {"type": retry}}
        error |= {key: value for key, value in more.items() if value is not None}
        return self.emit("session.error", {"error": error})

    def transcript(self, subpath: str, entry: bytes) -> None:
        """A line of the CLI's transcript, committed with the facts around it."""
        self._journal.add_transcript(subpath, entry)

    async def durable(self, emitted: Emitted, timeout_s: float | None = None) -> None:
        """Until the database has the fact. Raises TimeoutError."""
        await asyncio.wait_for(self._journal.wait_acked(emitted.n), timeout_s)

    # ---- previews -------------------------------------------------------------------------------

    def preview_start(self, event_type: PreviewType, parent: str | None) -> str:
        """Returns the id that the fact will have."""
        event_id = self.new_event_id()
        self._outbox.previews.start(event_id, event_type, parent)
        return event_id

    def preview_text(self, event_id: str, text: str) -> None:
        self._outbox.previews.extend(event_id, text)
        self._outbox.previews_changed()

    def preview_withdraw(self, event_id: str) -> None:
        self._outbox.previews.withdraw(event_id)
        self._outbox.previews_changed()

    def partial(self) -> list[dict[str, str]]:
        """What was visible of answers that have no fact."""
        return self._outbox.previews.partial(PARTIAL_BYTES)
