"""Gateway cores on one database, started and stopped by the test."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from csp_controlplane.attach.settings import CoreSettings
from csp_controlplane.sessions.build import build_sessions
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store.database import Database
from csp_controlplane.store.objects import ObjectStore
from support.hostile_worker import HostileRuntime


class Metrics:
    """Counts what the core reports."""

    def __init__(self) -> None:
        self.lost: list[str] = []

    def events_appended(self, writer: str, count: int, seconds: float) -> None: ...
    def session_bound(self, start: str, seconds: float) -> None: ...
    def attachments(self, count: int) -> None: ...
    def worker_lost(self, reason: str) -> None:
        self.lost.append(reason)


@dataclass
class Gateways:
    """Starts gateway cores on one database, and stops them."""

    db: Database
    redis: Any
    runtime: HostileRuntime
    key_file: Path
    objects: ObjectStore | None = None
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    metrics: Metrics = field(default_factory=Metrics)

    async def start(self, name: str = "gw", **settings: Any) -> SessionService:
        return await self.stack.enter_async_context(
            build_sessions(
                db=self.db,
                redis=self.redis,
                runtime=self.runtime,
                signing_key_file=self.key_file,
                gateway_id=name,
                metrics=self.metrics,
                objects=self.objects,
                settings=CoreSettings(**{"poll": 0.1, "lease": 2.0, **settings}),
            )
        )
