"""Metrics on a port of their own: they tell about everybody, and are for those who run csp.

Neither browsers nor agents can reach a port that only Prometheus is shown. The server runs in the
loop of the process that it tells about, beside that process's own server.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_BACKLOG = 16


def listen(host: str, port: int) -> socket.socket | None:
    """None for port 0, which serves no metrics. Raises OSError."""
    return socket.create_server((host, port), backlog=_BACKLOG) if port else None


@asynccontextmanager
async def metrics_served(
    listening: socket.socket | None, text: Callable[[], Awaitable[bytes]]
) -> AsyncIterator[None]:
    """Answers GET /metrics with `text` for as long as the context lasts."""
    if listening is None:
        yield
        return

    async def show(_request: Request) -> Response:
        return Response(await text(), media_type=CONTENT_TYPE_LATEST)

    config = uvicorn.Config(
        Starlette(routes=[Route("/metrics", show, methods=["GET"])]),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = _Beside(config)
    task = asyncio.create_task(server.serve(sockets=[listening]), name="metrics")
    try:
        yield
    finally:
        server.should_exit = True
        await task


class _Beside(uvicorn.Server):
    """Leaves signals to the process's own server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
