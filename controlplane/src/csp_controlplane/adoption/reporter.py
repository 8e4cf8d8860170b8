"""Tells AgentSessions what happens in their sessions: edges at once, the rest at most each 30 s.

Whichever gateway changes a session reports it. A report is taken from the database after the
resource's version was read and is applied on top of that version only, so of two gateways that
report at the same time the later one has the newer facts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog

from csp_controlplane.adoption import status
from csp_controlplane.adoption.approvals import Approvals
from csp_controlplane.adoption.coalescer import Coalescer
from csp_controlplane.adoption.idlers import Idlers
from csp_controlplane.adoption.judging import Refusal
from csp_controlplane.runtime.kubernetes.api import Absent, Conflicts, Resource
from csp_controlplane.runtime.kubernetes.mirror import Key
from csp_controlplane.runtime.kubernetes.runtime import KubernetesRuntime
from csp_controlplane.store import origins
from csp_controlplane.store.database import Database

log = structlog.get_logger(__name__)

WORKERS = 4
QUIET_S = 30.0
MAX_TRIES = 10
SETTLING_S = 3.0
"""A turn's last request is settled by the model proxy a moment after the turn's end."""

Session = tuple[str, str]
"""Tenant and session id."""


class Reporter:
    """One per gateway. It is the core's observer."""

    def __init__(
        self,
        db: Database,
        runtime: KubernetesRuntime,
        now: Callable[[], datetime],
        *,
        quiet_s: float = QUIET_S,
    ) -> None:
        self._db = db
        self._runtime = runtime
        self._now = now
        self._quiet_s = quiet_s
        self._work: Coalescer[Session] = Coalescer("report", self._report, WORKERS)
        self._written_at: dict[str, float] = {}
        self._last: dict[str, dict[str, Any]] = {}
        self._hindered: dict[str, tuple[str, str] | None] = {}
        self.approvals: Approvals | None = None
        self.idlers: Idlers | None = None

    def changed(self, tenant: str, session: str) -> None:
        """The session may have changed."""
        self._work.mark((tenant, session))

    def edited(self, tenant: str, session: str, resource: Resource) -> None:
        """The resource has changed: somebody else may have written over the report, or the
        operator says something else about the pod, which is what the report says while it has
        nothing of its own to say."""
        last = self._last.get(session)
        hindered = status.hindrance(resource)
        told = self._hindered.get(session)
        if last is None or hindered != told or status.differ(status.written(resource), last):
            self._hindered[session] = hindered
            self._work.mark((tenant, session))

    def forget(self, session: str) -> None:
        """The session has no resource any more."""
        self._written_at.pop(session, None)
        self._last.pop(session, None)
        self._hindered.pop(session, None)

    async def run(self) -> None:
        """Until cancelled."""
        await self._work.run()

    async def refuse(self, key: Key, refusal: Refusal) -> None:
        """Writes that the resource does not become a session. Raises RuntimeUnavailable."""
        await self._write(key, lambda resource: status.of_refusal(resource, refusal, self._now()))

    async def _report(self, which: Session) -> float | None:
        """Seconds until the session has to be looked at again."""
        waits = [await self._report_once(which)]
        if self.idlers is not None:
            waits.append(await self.idlers.look(*which))
        return min((wait for wait in waits if wait is not None), default=None)

    async def _report_once(self, which: Session) -> float | None:
        tenant, session = which
        resource = self._runtime.resource_of(session)
        if resource is None:
            return None
        key = (resource["metadata"]["namespace"], resource["metadata"]["name"])
        again: float | None = None
        for _ in range(MAX_TRIES):
            facts = await origins.facts(self._db, tenant, session)
            if facts is None:
                return None
            if self.approvals is not None and facts.fold.questions:
                await self.approvals.look(tenant, facts, resource)
            old = status.written(resource)
            result = old.get("result")
            if facts.fold.turn is None:
                result = await origins.last_answer(self._db, tenant, session)
            new = status.of_session(resource, facts, result, self._now())
            if not status.differ(old, new):
                self._last[session] = old
                return again
            if not status.differ_much(old, new) and (wait := self._wait(session)) > 0:
                return wait
            if _turn_ended(old, new):
                again = SETTLING_S
            fresh = await self._apply(key, resource, new)
            if fresh is None:
                self._written_at[session] = asyncio.get_running_loop().time()
                self._last[session] = new
                return again
            resource = fresh
        return 1.0

    async def _apply(self, key: Key, resource: Resource, new: dict[str, Any]) -> Resource | None:
        """None when it is done, else the resource as it is by now."""
        namespace, name = key
        try:
            version = resource["metadata"]["resourceVersion"]
            applied = await self._runtime.api.apply_status(namespace, name, version, new)
        except Conflicts:
            fresh = await self._runtime.api.get(namespace, name)
            self._runtime.mirror.put(fresh)
            return fresh
        except Absent:
            return None
        self._runtime.mirror.put(applied)
        return None

    async def _write(self, key: Key, make: Callable[[Resource], dict[str, Any]]) -> None:
        resource = self._runtime.mirror.get(key)
        for _ in range(MAX_TRIES):
            if resource is None:
                return
            new = make(resource)
            if not status.differ(status.written(resource), new):
                return
            try:
                resource = await self._apply(key, resource, new)
            except Absent:
                return

    def _wait(self, session: str) -> float:
        at = self._written_at.get(session)
        if at is None:
            return 0.0
        return at + self._quiet_s - asyncio.get_running_loop().time()


def _turn_ended(old: dict[str, Any], new: dict[str, Any]) -> bool:
    def active(part: dict[str, Any]) -> bool:
        conditions = part.get("conditions") or ()
        return any(c["type"] == "TurnActive" and c["status"] == "True" for c in conditions)

    return active(old) and not active(new)
