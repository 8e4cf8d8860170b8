"""Whether the process lives, has started, and can serve: for probes, load balancers and people."""

from __future__ import annotations

import asyncio

import asyncpg
from fastapi import APIRouter
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from csp_controlplane.gateway.answers import JsonResponse
from csp_controlplane.gateway.context import AWAY
from csp_controlplane.gateway.pool import pool_check
from csp_controlplane.gateway.routes import API
from csp_controlplane.gateway.schemas.health import Check, CheckState, Health
from csp_controlplane.gateway.state import GatewayState, state_of

router = APIRouter(prefix=f"{API}/health", tags=["health"])

CHECK_S = 2.0
_WORST: tuple[CheckState, ...] = ("ok", "degraded", "unavailable")
_RESPONSES: dict[int | str, dict[str, object]] = {503: {"model": Health}}


@router.get("/live", response_model=Health)
async def live() -> Response:
    """The process answers."""
    return _answer({"process": Check(state="ok", message="The gateway answers.")})


@router.get("/startup", response_model=Health, responses=_RESPONSES)
async def startup(request: Request) -> Response:
    """Whether the schema is in place and the core runs."""
    return _answer({"startup": _started(state_of(request))})


@router.get("/ready", response_model=Health, responses=_RESPONSES)
async def ready(request: Request) -> Response:
    """Whether requests can be served. Without the database they cannot."""
    state = state_of(request)
    database, redis, pool = await asyncio.gather(
        check_database(state), check_redis(state), pool_check(state.runtime, state.metrics)
    )
    checks = {"startup": _started(state), "database": database, "redis": redis, **pool}
    if state.closing.is_set():
        checks["shutdown"] = Check(state="unavailable", message="The gateway is stopping.")
    return _answer(checks)


def _started(state: GatewayState) -> Check:
    if state.starting is not None:
        return Check(state="unavailable", message=state.starting)
    return Check(state="ok", message="The database's schema is current and the core runs.")


async def check_database(state: GatewayState) -> Check:
    """Asks the database for nothing."""
    if state.database is None:
        return Check(state="unavailable", message="Not connected to the database yet.")
    try:
        async with asyncio.timeout(CHECK_S), state.database.untenanted() as connection:
            await connection.fetchval("select 1")
    except (*AWAY, asyncpg.PostgresError):
        return Check(
            state="unavailable",
            message="The database does not answer. Check CSP_DATABASE_URL and the server.",
        )
    return Check(state="ok", message="The database answers.")


async def check_redis(state: GatewayState) -> Check:
    """Its absence costs speed, never data."""
    if state.redis is None:
        return Check(state="degraded", message="No Redis is configured (CSP_REDIS_URL).")
    try:
        async with asyncio.timeout(CHECK_S):
            await state.redis.ping()
    except (RedisError, OSError, TimeoutError):
        return Check(
            state="degraded",
            message="Redis does not answer: limits count per gateway and updates between "
            "gateways take a second.",
        )
    return Check(state="ok", message="Redis answers.")


def _answer(checks: dict[str, Check]) -> Response:
    worst = max((_WORST.index(check.state) for check in checks.values()), default=0)
    health = Health(status=_WORST[worst], checks=checks)
    return JsonResponse(health.model_dump(), 503 if worst == 2 else 200)
