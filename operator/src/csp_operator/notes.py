"""Events for people, as `kubectl describe` shows them.

They are the first thing to leave out: few, slowly, from a short queue, and never on the way of a
claim.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

import structlog

from csp_crds import names
from csp_operator.api.client import KubeApi
from csp_operator.api.errors import ApiError
from csp_operator.api.resources import EVENTS
from csp_operator.clock import ServerClock
from csp_operator.decide.plan import Note
from csp_operator.metrics import OperatorMetrics
from csp_operator.views import PoolView, SessionView

log = structlog.get_logger(__name__)

_MOST_WAITING = 500
_PER_SECOND = 20.0
_LULL_S = 0.5
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class _Due:
    about: dict[str, str]
    note: Note
    at: str


class Notes:
    """`say` returns at once; `run` sends until cancelled."""

    def __init__(self, clock: ServerClock, metrics: OperatorMetrics, identity: str) -> None:
        self._clock = clock
        self._metrics = metrics
        self._identity = identity
        self._due: deque[_Due] = deque()
        self._said: dict[tuple[str, str], str] = {}
        self._filled = asyncio.Event()

    def say(self, about: SessionView | PoolView, note: Note) -> None:
        """The same sentence about the same thing is said once in a row."""
        key = (about.uid, note.reason)
        if self._said.get(key) == note.message:
            return
        if len(self._said) > 10 * _MOST_WAITING:
            self._said.clear()
        self._said[key] = note.message
        if len(self._due) >= _MOST_WAITING:
            self._metrics.event_drops.inc()
            return
        at = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self._due.append(_Due(_reference(about), note, at))
        self._filled.set()

    async def run(self, api: KubeApi) -> None:
        while True:
            await self._filled.wait()
            await asyncio.sleep(_LULL_S)
            while self._due:
                due = self._due.popleft()
                try:
                    await api.create(EVENTS, due.about["namespace"], self._event(due))
                except ApiError as error:
                    log.debug("event_not_sent", error=str(error), reason=due.note.reason)
                await asyncio.sleep(1 / _PER_SECOND)
            self._filled.clear()

    def _event(self, due: _Due) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "generateName": f"{due.about['name'][:50]}.",
                "namespace": due.about["namespace"],
            },
            "involvedObject": due.about,
            "type": due.note.type,
            "reason": due.note.reason,
            "message": due.note.message[:_LONGEST],
            "firstTimestamp": due.at,
            "lastTimestamp": due.at,
            "count": 1,
            "source": {"component": names.OPERATOR_MANAGER},
            "reportingComponent": names.OPERATOR_MANAGER,
            "reportingInstance": self._identity,
        }


def _reference(about: SessionView | PoolView) -> dict[str, str]:
    kind = names.SESSION_KIND if isinstance(about, SessionView) else names.POOL_KIND
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "namespace": about.namespace,
        "name": about.name,
        "uid": about.uid,
        "resourceVersion": str(about.version),
    }
