"""Gives the pods of idle sessions back after the time that each AgentSession names.

The operator does the same a while later, for a control plane that is away; this side comes first
because it knows what is going on, and keeps the files before the pod goes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from csp_controlplane.runtime.kubernetes.runtime import KubernetesRuntime
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store import origins
from csp_controlplane.store.database import Database
from csp_controlplane.store.origins import Facts
from csp_crds.base import seconds

DEFAULT = "30m"


class Idlers:
    """One per gateway; any may pause any session."""

    def __init__(
        self,
        db: Database,
        service: SessionService,
        runtime: KubernetesRuntime,
        now: Callable[[], datetime],
    ) -> None:
        self._db = db
        self._service = service
        self._runtime = runtime
        self._now = now

    async def look(self, tenant: str, session: str) -> float | None:
        """Pauses it when its time is over; else seconds until then, or None: it is in use."""
        resource = self._runtime.resource_of(session)
        facts = await origins.facts(self._db, tenant, session)
        if resource is None or facts is None:
            return None
        lifecycle = (resource.get("spec") or {}).get("lifecycle") or {}
        left = idle_left(facts, str(lifecycle.get("idleTimeout") or DEFAULT), self._now())
        if left is None or left > 0:
            return left
        await self._service.resources.pause_if_idle(tenant, session)
        return None


def idle_left(facts: Facts, timeout: str, now: datetime) -> float | None:
    """Running, waiting for an approval, or without a worker: never idle."""
    fold = facts.fold
    if fold.state != "active" or fold.queue or fold.turn or fold.questions or not facts.bound:
        return None
    return seconds(timeout) - (now - facts.last_event_at).total_seconds()
