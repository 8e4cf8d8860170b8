"""The gateway as an ASGI application: settings in, routes out."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from csp_controlplane.gateway import answers, ws
from csp_controlplane.gateway.body_limit import BodyLimit
from csp_controlplane.gateway.context import RequestContext
from csp_controlplane.gateway.limits import Counters
from csp_controlplane.gateway.metrics import GatewayMetrics
from csp_controlplane.gateway.openapi import describe
from csp_controlplane.gateway.parts import running_parts
from csp_controlplane.gateway.routes import (
    API,
    agents,
    branches,
    environments,
    events,
    files,
    health,
    me,
    meta,
    sessions,
    shares,
    sign_in,
    transfer,
    workspace,
)
from csp_controlplane.gateway.runtimes import open_runtime
from csp_controlplane.gateway.settings import GatewaySettings
from csp_controlplane.gateway.state import GatewayState
from csp_controlplane.gateway.static import static_router
from csp_controlplane.metrics_port import metrics_served
from csp_controlplane.settings import DatabaseSettings, RedisSettings

_RESOURCES = (
    # Before the sessions: their paths would take "import" for an id.
    transfer,
    agents, environments, sessions, events, branches, shares, workspace, files, me, meta, health,
    sign_in,
)  # fmt: skip


def create_app(
    settings: GatewaySettings,
    database: DatabaseSettings,
    redis: RedisSettings | None,
    metrics_socket: socket.socket | None = None,
) -> FastAPI:
    """Nothing is opened before the server runs the application's lifespan.

    `metrics_socket` listens where metrics are asked for; None serves none.
    """
    metrics = GatewayMetrics(_registry())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        client = _redis(redis)
        runtime = open_runtime(settings)
        state = GatewayState(
            settings=settings,
            metrics=metrics,
            redis=client,
            counters=Counters(client),
            runtime=runtime,
        )
        app.state.gateway = state
        try:
            await runtime.start()
            async with (
                running_parts(state, database),
                metrics_served(metrics_socket, partial(meta.metrics_text, state)),
            ):
                yield
        finally:
            await runtime.close()
            if client is not None:
                await client.aclose()

    app = FastAPI(
        title="csp gateway",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    _include_routes(app, settings)
    answers.install(app)
    metrics.declare_routes(_templates())
    app.add_middleware(
        BodyLimit,
        json_bytes=settings.json_bytes,
        upload_bytes=settings.upload_bytes,
        import_bytes=settings.import_bytes,
    )
    app.add_middleware(RequestContext, metrics=metrics)
    return app


def _include_routes(app: FastAPI, settings: GatewaySettings) -> None:
    for module in _RESOURCES:
        app.include_router(module.router)
    app.include_router(ws.router, prefix=API)
    app.include_router(sign_in.links)
    app.include_router(static_router(settings.static_dir))


def _templates() -> list[tuple[str, str]]:
    return [
        (method, route.path_format)
        for module in _RESOURCES
        for route in module.router.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]


def _redis(settings: RedisSettings | None) -> Redis | None:
    if settings is None:
        return None
    # No timeout for reads: the listener waits for messages as long as it takes, everybody else
    # sets a deadline of their own.
    return Redis.from_url(
        settings.url.get_secret_value(),
        socket_timeout=None,
        socket_connect_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
    )


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
