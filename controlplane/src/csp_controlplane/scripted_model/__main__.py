"""`python -m csp_controlplane.scripted_model`: settings, a socket, a server."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import structlog
import uvicorn

from csp_controlplane.logging_setup import configure_logging
from csp_controlplane.scripted_model.app import ScriptedModel
from csp_controlplane.scripted_model.settings import ScriptedSettings

log = structlog.get_logger(__name__)

_SHUTDOWN_SECONDS = 2


def main() -> int:
    configure_logging("scripted_model")
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
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listening])
    return 0


def _publish(path: Path, port: int) -> None:
    """In one step, so that no reader sees half a number."""
    waiting = path.with_name(path.name + ".new")
    waiting.write_text(f"{port}\n")
    waiting.replace(path)


if __name__ == "__main__":
    sys.exit(main())
