"""Runs what a gateway on Kubernetes has besides: the reporter, the adopter and the heartbeat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog

from csp_controlplane.adoption.adopter import Adopter
from csp_controlplane.adoption.approvals import Approvals
from csp_controlplane.adoption.heartbeat import Heartbeat
from csp_controlplane.adoption.idlers import Idlers
from csp_controlplane.adoption.reporter import Reporter
from csp_controlplane.runtime.kubernetes.runtime import KubernetesRuntime
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store.database import Database

log = structlog.get_logger(__name__)


def new_reporter(db: Database, runtime: KubernetesRuntime) -> Reporter:
    """The core's observer; it reports once `running_adoption` has begun."""
    return Reporter(db, runtime, lambda: datetime.now(UTC))


@asynccontextmanager
async def running_adoption(
    db: Database, service: SessionService, runtime: KubernetesRuntime, reporter: Reporter
) -> AsyncIterator[None]:
    """All three, until the context ends."""
    reporter.approvals = Approvals(db, service)
    reporter.idlers = Idlers(db, service, runtime, lambda: datetime.now(UTC))
    adopter = Adopter(db, service, runtime, reporter)
    heartbeat = Heartbeat(runtime, lambda: datetime.now(UTC))
    tasks = [
        asyncio.create_task(reporter.run(), name="reporter"),
        asyncio.create_task(adopter.run(), name="adopter"),
        asyncio.create_task(heartbeat.run(), name="heartbeat"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("adoption_failed", exc_info=result)
