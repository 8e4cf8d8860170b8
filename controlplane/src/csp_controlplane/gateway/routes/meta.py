"""What describes the gateway itself: the API's description, the socket's schema, the metrics."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
import structlog
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from csp_controlplane.gateway.answers import JsonResponse
from csp_controlplane.gateway.context import AWAY
from csp_controlplane.gateway.pool import pool_check
from csp_controlplane.gateway.routes import API
from csp_controlplane.gateway.schemas.socket import socket_schema
from csp_controlplane.gateway.state import GatewayState, state_of

log = structlog.get_logger(__name__)
router = APIRouter(prefix=API, tags=["meta"])
metrics_router = APIRouter(include_in_schema=False)

FRESH_S = 5.0
QUERY_S = 2.0


@router.get("/socket-schema.json", response_model=None)
async def get_socket_schema(request: Request) -> Response:
    """JSON Schema of every message of the WebSocket."""
    found: dict[str, Any] | None = getattr(request.app.state, "socket_schema", None)
    if found is None:
        found = request.app.state.socket_schema = socket_schema()
    return JsonResponse(found)


@metrics_router.get("/metrics")
async def get_metrics(request: Request) -> Response:
    """Prometheus metrics of this gateway."""
    state = state_of(request)
    if time.monotonic() - state.measured_at > FRESH_S:
        state.measured_at = time.monotonic()
        await asyncio.gather(pool_check(state.runtime, state.metrics), _count_sessions(state))
    return Response(generate_latest(state.metrics.registry), media_type=CONTENT_TYPE_LATEST)


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
