"""A worker that only answers its health check, for tests of whoever keeps workers.

Behaves as CSP_WORKER_STAND_IN says, or the file that CSP_WORKER_STAND_IN_FILE names: `ready`
(default), `never` ready, `fails` at its start, `stubborn` (ignores SIGTERM), `litters` (leaves a
process in a session of its own behind).
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

SERVICE = "csp.worker.v1.Worker"


async def main() -> int:
    behaviour = os.environ.get("CSP_WORKER_STAND_IN", "ready")
    switch = os.environ.get("CSP_WORKER_STAND_IN_FILE")
    if switch and Path(switch).exists():
        behaviour = Path(switch).read_text().strip()
    if behaviour == "fails":
        sys.stderr.write("the stand-in was told to fail\n")
        return 3
    servicer = health.HealthServicer()
    await servicer.set(SERVICE, health_pb2.HealthCheckResponse.NOT_SERVING)
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(os.environ["CSP_WORKER_LISTEN"])
    await server.start()
    stop = asyncio.Event()
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if behaviour == "litters":
        subprocess.Popen(["sleep", "300"], start_new_session=True, env={"PATH": os.environ["PATH"]})
    if behaviour != "never":
        await servicer.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    await stop.wait()
    await server.stop(0)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
