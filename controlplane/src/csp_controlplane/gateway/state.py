"""What requests find of the process: one object, filled while the gateway starts.

The parts that need the database are there only once it has answered; until then whoever asks for
them gets a 503 that says so.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

from redis.asyncio import Redis
from starlette.requests import HTTPConnection

from csp_controlplane.errors import Unavailable
from csp_controlplane.gateway.limits import Counters
from csp_controlplane.gateway.metrics import GatewayMetrics
from csp_controlplane.gateway.settings import GatewaySettings
from csp_controlplane.runtime.protocol import SessionRuntime
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store.database import Database


@dataclass(slots=True)
class GatewayState:
    """One per process. `starting` is the sentence that explains what is still missing."""

    settings: GatewaySettings
    metrics: GatewayMetrics
    redis: Redis | None
    counters: Counters
    runtime: SessionRuntime
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    uploads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4))
    measured_at: float = -1e9
    starting: str | None = "The gateway is connecting to the database."
    database: Database | None = None
    service: SessionService | None = None

    @property
    def db(self) -> Database:
        """Raises Unavailable while the gateway starts."""
        if self.database is None:
            raise self._not_yet()
        return self.database

    @property
    def sessions(self) -> SessionService:
        """Raises Unavailable while the gateway starts."""
        if self.service is None:
            raise self._not_yet()
        return self.service

    def _not_yet(self) -> Unavailable:
        return Unavailable(f"{self.starting or 'The gateway is stopping.'} Try again in a moment.")


def state_of(connection: HTTPConnection) -> GatewayState:
    """The state, from a request or a WebSocket."""
    return cast(GatewayState, connection.app.state.gateway)
