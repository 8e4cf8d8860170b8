"""Puts a worker together and runs it until its session or its process ends."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from pydantic import ValidationError

from csp_crds.agent import AgentSpec
from csp_proto import worker_pb2, worker_pb2_grpc
from csp_worker import options, process
from csp_worker.auth import Authenticator
from csp_worker.binder import Binder
from csp_worker.engine import Engine
from csp_worker.guard import tree
from csp_worker.hooks import Gate
from csp_worker.ids import new_id
from csp_worker.logs import Fields
from csp_worker.metrics import Metrics
from csp_worker.outputs import Outputs
from csp_worker.paths import Paths
from csp_worker.plans import Plans
from csp_worker.servicer import WorkerServicer
from csp_worker.session import Patience, Tools
from csp_worker.settings import WorkerSettings
from csp_worker.spill import SpillFile
from csp_worker.transcript import MirrorStore

MESSAGE_BYTES = 64 * 1024 * 1024
SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
    # Gateways ping each 5 s to notice a frozen worker. A server takes pings on a silent stream for
    # abuse by default and ends the connection at the third.
    ("grpc.http2.max_ping_strikes", 0),
)
SHUTDOWN_SECONDS = 3.0
PARENT_LOOK_SECONDS = 1.0
SERVICE = worker_pb2.DESCRIPTOR.services_by_name["Worker"].full_name
_log = structlog.get_logger(__name__)


class App:
    """One worker process."""

    def __init__(self, settings: WorkerSettings, log_fields: Fields) -> None:
        self._settings = settings
        self._paths = Paths.create(settings.home, settings.workspace_root)
        cli = settings.cli_path or process.bundled_cli()
        process.write_launcher(self._paths.launcher, cli)
        self._metrics = Metrics()
        gate = Gate(settings.hook_ack_seconds)
        mirror = MirrorStore()
        callbacks = options.Callbacks(gate.pre_tool_use, gate.can_use_tool, _stderr, mirror)
        env = options.environment(settings, self._paths)
        self._engine = Engine(self._paths, cli, env, callbacks, time.monotonic)
        self._spill = SpillFile(self._paths.spill, settings.spill_bytes)
        tools = Tools(
            clock=time.monotonic,
            now=lambda: datetime.now(UTC),
            new_id=new_id,
            spill=self._spill,
            memory_bytes=settings.memory_bytes,
            silence_seconds=settings.writer_silence_seconds,
            metrics=self._metrics,
            log_fields=log_fields,
            plans=Plans(self._paths.config),
            outputs=Outputs(self._paths.config, lambda: self._engine.cwd),
        )
        self._binder = Binder(settings.id, self._paths, self._engine, gate, mirror, tools)
        self._auth = Authenticator(settings.id, settings.jwks_file, time.time)
        self._end: asyncio.Future[tuple[str, str]] | None = None

    async def run(self, watch_parent: bool) -> None:
        """Serves until a signal, or until the session says that it is over."""
        loop = asyncio.get_running_loop()
        self._end = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._over, "shutdown", "The worker is being stopped.")
        server, healthy = self._server()
        self._metrics.serve(self._settings.metrics_port)
        await server.start()
        _log.info("listening", address=self._settings.listen)
        warming = asyncio.create_task(self._warm(), name="warm")
        self._binder.warming(warming)
        watches = [asyncio.create_task(self._watch_bound(), name="bound")]
        if watch_parent:
            watches.append(asyncio.create_task(self._watch_parent(), name="parent"))
        try:
            await warming
            # What was imported stays: a collection in mid-answer need not look at it.
            gc.collect()
            gc.freeze()
            await healthy.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
            await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
            reason, message = await self._end
            _log.info("ending", reason=reason)
            if self._binder.session is not None:
                grace = self._settings.grace_seconds if reason == "shutdown" else 0.0
                patience = Patience(SHUTDOWN_SECONDS, grace, self._settings.files_seconds)
                await self._binder.session.end(reason, message, patience)
        finally:
            for watch in watches:
                watch.cancel()
            await self._close(server)

    def _server(self) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
        server = grpc.aio.server(options=SERVER_OPTIONS)
        servicer = WorkerServicer(self._auth, self._binder)
        worker_pb2_grpc.add_WorkerServicer_to_server(servicer, server)
        healthy = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
        self._not_yet = asyncio.create_task(
            healthy.set(SERVICE, health_pb2.HealthCheckResponse.NOT_SERVING)
        )
        if server.add_insecure_port(self._settings.listen) == 0:
            raise SystemExit(f"the address {self._settings.listen} cannot be listened on")
        return server, healthy

    async def _warm(self) -> bool:
        if not self._settings.prewarm:
            return False
        try:
            spec = AgentSpec.model_validate_json(self._settings.agent_json)
        except ValidationError as error:
            _log.error("no spare: CSP_WORKER_AGENT_JSON is no agent definition", reason=str(error))
            return False
        return await self._engine.start_spare(spec)

    async def _watch_bound(self) -> None:
        await self._binder.on_bound.wait()
        if self._binder.session is not None:
            self._binder.session.on_end = self._over

    async def _watch_parent(self) -> None:
        """Where the OS does not tell: a worker whose parent has ended has another one."""
        parent = os.getppid()
        while os.getppid() == parent:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(PARENT_LOOK_SECONDS)
        self._over("shutdown", "The worker is being stopped.")

    def _over(self, reason: str, message: str) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_result((reason, message))

    async def _close(self, server: grpc.aio.Server) -> None:
        session = self._binder.session
        if session is not None:
            await session.close()
        await self._engine.stop()
        await server.stop(grace=1.0)
        self._spill.close()
        left = process.orphans(())
        tree.kill_all(left)
        process.reap(left)


def _stderr(line: str) -> None:
    _log.warning("CLI stderr", line=line[:4000])


def main(settings: WorkerSettings, log_fields: Fields) -> None:
    """Runs a worker; returns when it has ended."""
    bound_to_parent = process.protect_self()
    process.strip_environment(os.environ, settings.model_base_url)
    try:
        app = App(settings, log_fields)
    except OSError as error:
        raise SystemExit(
            f"the worker's directories cannot be used ({error}); check CSP_WORKER_HOME and "
            "CSP_WORKER_WORKSPACE_ROOT"
        ) from error
    with suppress(KeyboardInterrupt):
        asyncio.run(app.run(watch_parent=not bound_to_parent))
