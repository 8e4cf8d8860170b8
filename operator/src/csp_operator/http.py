"""/metrics for Prometheus, /healthz and /readyz for the kubelet."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from csp_operator.metrics import PHASES, OperatorMetrics
from csp_operator.store import Store


@asynccontextmanager
async def serve(host: str, port: int, metrics: OperatorMetrics, store: Store) -> AsyncIterator[int]:
    """Yields the port that it listens on."""

    async def show(_: web.Request) -> web.Response:
        phases = Counter(str(session.status.phase) for session in store.sessions.values())
        for phase in PHASES:
            metrics.sessions.labels(phase).set(phases[phase])
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        return web.Response(body=generate_latest(metrics.registry), headers=headers)

    async def fine(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app = web.Application()
    app.add_routes([web.get("/metrics", show), web.get("/healthz", fine), web.get("/readyz", fine)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
