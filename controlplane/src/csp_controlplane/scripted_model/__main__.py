"""`python -m csp_controlplane.scripted_model`: settings, a socket, a server."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import uvicorn
import uvloop

from csp_controlplane.logging_setup import configure_logging
from csp_controlplane.scripted_model.app import ScriptedModel
from csp_controlplane.scripted_model.settings import ScriptedSettings

log = structlog.get_logger(__name__)

_SHUTDOWN_SECONDS = 2


def main() -> int:
    configure_logging("scripted_model")
    logging.getLogger("uvicorn.error").addFilter(_not_about_cuts)
    settings = ScriptedSettings()
    try:
        listening = socket.create_server((settings.host, settings.port), backlog=512)
    except OSError as error:
        log.error(
            "cannot listen: choose another address with CSP_SCRIPTED_HOST and CSP_SCRIPTED_PORT",
            host=settings.host,
            port=settings.port,
            error=str(error),
        )
        return 1
    port = listening.getsockname()[1]
    log.info("scripted model listening", url=f"http://{settings.host}:{port}", port=port)
    if settings.port_file:
        _publish(settings.port_file, port)
    config = uvicorn.Config(
        ScriptedModel(settings).application(),
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    uvloop.run(_Server(config).serve(sockets=[listening]))
    return 0


class _Server(uvicorn.Server):
    """Ends by returning, where uvicorn's own handling would kill the process with the signal."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        yield

    def _end(self) -> None:
        self.should_exit = True


def _publish(path: Path, port: int) -> None:
    """In one step, so that no reader sees half a number."""
    waiting = path.with_name(path.name + ".new")
    waiting.write_text(f"{port}\n")
    waiting.replace(path)


def _not_about_cuts(record: logging.LogRecord) -> bool:
    """A cut was asked for."""
    return "without completing response" not in record.getMessage()


if __name__ == "__main__":
    sys.exit(main())
