"""`python -m csp_controlplane.proxy`: settings, connections, a socket, a server."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import structlog
import uvicorn
import uvloop
from pydantic import ValidationError
from redis.asyncio import Redis

from csp_controlplane.logging_setup import configure_logging
from csp_controlplane.metrics_port import listen, metrics_served
from csp_controlplane.proxy.app import Proxy
from csp_controlplane.proxy.settings import ProxySettings
from csp_controlplane.settings import DatabaseSettings, RedisSettings
from csp_controlplane.store.database import DATABASE_AWAY, Database

log = structlog.get_logger(__name__)

_DATABASE_WAIT_S = 30.0
_NOT_PREPARED = asyncpg.InvalidParameterValueError
"""The first migration makes the role that everything works as, and may still be running."""
_FAILED = 1


def main() -> int:
    configure_logging("proxy")
    logging.getLogger("uvicorn.error").addFilter(_not_about_cuts)
    try:
        settings, database, redis = ProxySettings(), DatabaseSettings(), RedisSettings()
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        log.error("settings_invalid", problems=problems)
        return _FAILED
    try:
        listening = socket.create_server((settings.host, settings.port), backlog=1024)
        metrics = listen(settings.metrics_host, settings.metrics_port)
    except OSError as error:
        log.error(
            "cannot listen: choose other addresses with CSP_PROXY_HOST, CSP_PROXY_PORT and "
            "CSP_PROXY_METRICS_PORT",
            host=settings.host,
            port=settings.port,
            metrics_port=settings.metrics_port,
            error=str(error),
        )
        return _FAILED
    return uvloop.run(_serve(settings, database, redis, listening, metrics))


async def _serve(
    settings: ProxySettings,
    database: DatabaseSettings,
    redis: RedisSettings,
    sock: socket.socket,
    metrics: socket.socket | None,
) -> int:
    db = await _connect(database)
    if db is None:
        return _FAILED
    client = Redis.from_url(redis.url.get_secret_value(), socket_timeout=2)
    port = sock.getsockname()[1]
    log.info(
        "model proxy listening",
        url=f"http://{settings.host}:{port}",
        upstream=settings.upstream_url,
        has_credentials=settings.api_key is not None,
    )
    proxy = Proxy(settings, db, client)
    config = uvicorn.Config(
        proxy.application(),
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Whoever is at the other end of the connection is who uses a handle.
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    try:
        async with metrics_served(metrics, proxy.metrics_text):
            await _Server(config).serve(sockets=[sock])
    finally:
        await client.aclose()
        await db.close()
    return 0


class _Server(uvicorn.Server):
    """Ends by returning: uvicorn's own handling kills the process with the signal it got, before
    connections are closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        yield

    def _end(self) -> None:
        # A second signal does not wait for streams any more.
        self.force_exit = self.should_exit
        self.should_exit = True


async def _connect(database: DatabaseSettings) -> Database | None:
    """Waits for PostgreSQL for a while, as it may be starting too."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _DATABASE_WAIT_S
    while True:
        try:
            return await Database.connect(
                database.url.get_secret_value(),
                max_size=database.max_connections,
                application="csp-proxy",
            )
        except (*DATABASE_AWAY, _NOT_PREPARED) as error:
            if loop.time() > deadline:
                log.error(
                    "the database does not answer or is not prepared: check CSP_DATABASE_URL, that "
                    "PostgreSQL runs and that its migrations have run",
                    error=f"{type(error).__name__}: {error}",
                )
                return None
        await asyncio.sleep(0.5)


def _not_about_cuts(record: logging.LogRecord) -> bool:
    """Breaking an answer off is how a cut is passed on, not an error of this program."""
    return "without completing response" not in record.getMessage()


if __name__ == "__main__":
    sys.exit(main())
