"""One worker process: started, watched until it is ready, ended with everything below it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from csp_controlplane.supervisor.child import Child, Command, Family
from csp_controlplane.supervisor.environment import child_environment
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.logs import ComponentLog
from csp_crds.agent import AgentSpec

SERVICE = "csp.worker.v1.Worker"

_CHANNEL = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 250),
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """How workers of this installation are started."""

    layout: Layout
    environment: Mapping[str, str]
    model_base_url: str
    argv: tuple[str, ...] = (sys.executable, "-m", "csp_worker")

    def of(self, worker_id: str, spec: AgentSpec) -> Command:
        """The process of one worker. Makes its private home."""
        home = self.layout.workers / worker_id
        home.mkdir(mode=0o700)
        own = {
            "HOME": str(home),
            "CSP_WORKER_ID": worker_id,
            "CSP_WORKER_LISTEN": f"unix:{self.socket(worker_id)}",
            "CSP_WORKER_JWKS_FILE": str(self.layout.jwks),
            "CSP_WORKER_HOME": str(home),
            "CSP_WORKER_WORKSPACE_ROOT": str(self.layout.workspaces),
            "CSP_WORKER_MODEL_BASE_URL": self.model_base_url,
            "CSP_WORKER_AGENT_JSON": spec.model_dump_json(),
        }
        # Who ends `csp up` waits for it: a turn is interrupted, not finished.
        own.setdefault(
            "CSP_WORKER_GRACE_SECONDS", self.environment.get("CSP_WORKER_GRACE_SECONDS", "0")
        )
        for name in ("LEVEL", "FORMAT"):
            value = self.environment.get(f"CSP_LOG_{name}")
            if value and f"CSP_WORKER_LOG_{name}" not in self.environment:
                own[f"CSP_WORKER_LOG_{name}"] = value
        environment = child_environment("worker", self.environment, own)
        # The worker closes its environment to its own user; a list of processes tells whose it is.
        return Command((*self.argv, str(home)), environment, home)

    def socket(self, worker_id: str) -> Path:
        return self.layout.worker_sockets / f"{worker_id}.sock"


@dataclass(eq=False)
class Worker:
    """A worker and what is known of it. Owned by Workers."""

    id: str
    profile: str
    endpoint: str
    child: Child
    log: ComponentLog
    started_at: float
    session_id: str | None = None
    warm: bool = False
    """It was ready and of the right profile when its session came."""
    ready: bool = False
    deleted: bool = False
    """Its end was asked for."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Ready for the first time, or ended."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Ended, and nothing of it is left."""

    async def until_ready(self) -> None:
        """Returns when its health service says SERVING. Waits for ever otherwise."""
        async with grpc.aio.insecure_channel(self.endpoint, options=_CHANNEL) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=SERVICE)
            while True:
                try:
                    async for answer in stub.Watch(request, wait_for_ready=True):
                        if answer.status == health_pb2.HealthCheckResponse.SERVING:
                            return
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.05)  # it ended, or does not speak yet

    async def end(self, deadline_s: float) -> None:
        """In order, then by force. Its followers do the rest."""
        await self.child.stop(signal.SIGTERM, deadline_s)


async def start_worker(
    command: WorkerCommand, family: Family, log: ComponentLog, spec: AgentSpec, worker_id: str
) -> Worker:
    """Starts the process. Raises OSError when that is not possible."""
    child = await family.start(
        command.of(worker_id, spec), lambda line: log.line(line, worker_id=worker_id)
    )
    return Worker(
        id=worker_id,
        profile=spec.spawn_profile(),
        endpoint=f"unix:{command.socket(worker_id)}",
        child=child,
        log=log,
        started_at=asyncio.get_running_loop().time(),
    )


def remove_remains(command: WorkerCommand, worker_id: str) -> None:
    """Its home and socket. The workspace belongs to the session and stays. Blocks."""
    shutil.rmtree(command.layout.workers / worker_id, ignore_errors=True)
    command.socket(worker_id).unlink(missing_ok=True)
