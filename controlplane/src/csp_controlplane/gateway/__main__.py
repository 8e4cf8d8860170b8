"""`python -m csp_controlplane.gateway`."""

from __future__ import annotations

import os
import sys

from pydantic import ValidationError

from csp_controlplane.gateway.settings import GatewaySettings
from csp_controlplane.logging_setup import configure_logging
from csp_controlplane.metrics_port import listen
from csp_controlplane.settings import DatabaseSettings, RedisSettings

GRPC_EXPERIMENTS = "-event_engine_client,-event_engine_listener"
"""One thread waits for all streams. gRPC's event engine hands every packet from thread to thread: a
quarter of the gateway's processor time with 100 streams, and a tenth of a millisecond each."""


def main() -> int:
    """Serves until SIGTERM. 2 when the settings are wrong."""
    os.environ.setdefault("GRPC_EXPERIMENTS", GRPC_EXPERIMENTS)
    # gRPC reads it when it is imported.
    from csp_controlplane.gateway.app import create_app
    from csp_controlplane.gateway.server import build_server

    configure_logging("gateway")
    try:
        settings = GatewaySettings()
        database = DatabaseSettings()
        redis = _redis()
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            place = ".".join(str(part) for part in found["loc"])
            sys.stderr.write(f"{error.title}: {place}: {found['msg']}\n")
        return 2
    try:
        metrics_socket = listen(settings.metrics_host, settings.metrics_port)
    except OSError as error:
        sys.stderr.write(
            f"Metrics cannot be served on {settings.metrics_host}:{settings.metrics_port} "
            f"({error.strerror}): choose another CSP_GATEWAY_METRICS_PORT.\n"
        )
        return 2
    build_server(create_app(settings, database, redis, metrics_socket), settings).run()
    return 0


def _redis() -> RedisSettings | None:
    """None when no address is set: Redis is never needed."""
    try:
        return RedisSettings()
    except ValidationError as error:
        if any(found["type"] != "missing" for found in error.errors()):
            raise
        return None


if __name__ == "__main__":
    sys.exit(main())
