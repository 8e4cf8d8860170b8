"""What describes the gateway itself: the socket's schema, and the metrics for their own port."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
import structlog
from fastapi import APIRouter
from prometheus_client import generate_latest
from starlette.requests import Request
from starlette.responses import Response

from csp_controlplane.gateway.answers import JsonResponse
from csp_controlplane.gateway.context import AWAY
from csp_controlplane.gateway.pool import pool_check
from csp_controlplane.gateway.routes import API
from csp_controlplane.gateway.schemas.socket import socket_schema
from csp_controlplane.gateway.state import GatewayState

log = structlog.get_logger(__name__)
router = APIRouter(prefix=API, tags=["meta"])

FRESH_S = 5.0
QUERY_S = 2.0


@router.get("/socket-schema.json", response_model=None)
async def get_socket_schema(request: Request) -> Response:
    """JSON Schema of every message of the WebSocket."""
    found: dict[str, Any] | None = getattr(request.app.state, "socket_schema", None)
    if found is None:
        found = request.app.state.socket_schema = socket_schema()
    return JsonResponse(found)


async def metrics_text(state: GatewayState) -> bytes:
    """Prometheus metrics of this gateway."""
    if time.monotonic() - state.measured_at > FRESH_S:
        state.measured_at = time.monotonic()
        await asyncio.gather(pool_check(state.runtime, state.metrics), _count_sessions(state))
    return generate_latest(state.metrics.registry)


async def _count_sessions(state: GatewayState) -> None:
    if state.database is None:
        return
    try:
        async with asyncio.timeout(QUERY_S), state.database.untenanted() as connection:
            rows = await connection.fetch("select * from session_counts()")
    except (*AWAY, asyncpg.PostgresError) as error:
        log.debug("sessions_not_counted", error=str(error))
        return
    state.metrics.sessions_by_state({row["state"]: row["count"] for row in rows})
