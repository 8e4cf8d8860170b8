"""Builds the core from its parts, starts its loops and stops them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from redis.asyncio import Redis

from csp_controlplane.attach.attacher import Attacher
from csp_controlplane.attach.core import Core, CoreMetrics, Nobody, Observer
from csp_controlplane.attach.settings import CoreSettings
from csp_controlplane.attach.tokens import WorkerTokens
from csp_controlplane.domain.events import EventFactory
from csp_controlplane.domain.ids import new_id
from csp_controlplane.runtime.protocol import SessionRuntime
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store.appending import Appends
from csp_controlplane.store.database import Database
from csp_controlplane.store.objects import DatabaseObjects, ObjectStore


@asynccontextmanager
async def build_sessions(
    *,
    db: Database,
    redis: Redis | None,
    runtime: SessionRuntime,
    signing_key_file: Path,
    gateway_id: str,
    metrics: CoreMetrics,
    settings: CoreSettings | None = None,
    observer: Observer | None = None,
    objects: ObjectStore | None = None,
) -> AsyncIterator[SessionService]:
    """The running core. Raises OSError or ValueError when the signing key cannot be read."""
    core = Core(
        db=db,
        redis=redis,
        runtime=runtime,
        tokens=WorkerTokens.from_file(signing_key_file),
        make=EventFactory(now=lambda: datetime.now(UTC), new_id=new_id),
        metrics=metrics,
        settings=settings or CoreSettings(),
        # A restarted gateway is another holder: its predecessor's leases run out.
        holder=f"{gateway_id}-{secrets.token_hex(4)}",
        objects=objects or DatabaseObjects(db),
        appends=Appends(db),
        observer=observer or Nobody(),
    )
    attacher = Attacher(core)
    await attacher.start()
    service = SessionService(core, attacher)
    retention = asyncio.create_task(service.retention.run(), name="retention")
    try:
        yield service
    finally:
        retention.cancel()
        await asyncio.gather(retention, return_exceptions=True)
        await attacher.stop()
