"""A registry of workers with its pool and socket, without the rest of a local installation."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from csp_controlplane.runtime.local import LocalRuntime
from csp_controlplane.supervisor import signing, tree
from csp_controlplane.supervisor.api import SocketServer, SupervisorApi
from csp_controlplane.supervisor.child import Family
from csp_controlplane.supervisor.layout import Layout
from csp_controlplane.supervisor.refill import Refill
from csp_controlplane.supervisor.settings import SupervisorSettings
from csp_controlplane.supervisor.worker import WorkerCommand
from csp_controlplane.supervisor.workers import Workers

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in_worker.py")))
REAL = (sys.executable, "-m", "csp_worker")


@dataclass
class PoolOfWorkers:
    """What a test can reach. `switch` is a file that tells stand-ins how to behave."""

    layout: Layout
    workers: Workers
    family: Family
    refill: Refill
    runtime: LocalRuntime
    server: SocketServer
    switch: Path

    async def stop_serving(self) -> None:
        """The socket goes away; workers live on."""
        self.workers.watchers.close()
        await self.server.stop()

    async def serve_again(self) -> None:
        self.server = _server(self.workers, self.refill, self.layout)
        await self.server.start()

    def pid_of(self, worker_id: str) -> int:
        return self.workers.by_id(worker_id).child.pid


@asynccontextmanager
async def pool_of_workers(
    directory: Path,
    *,
    argv: tuple[str, ...] = STAND_IN,
    settings: SupervisorSettings | None = None,
    model_base_url: str = "http://127.0.0.1:9",
    adopts: bool = False,
) -> AsyncIterator[PoolOfWorkers]:
    """Runs in this process. `adopts`: it ends what its children lose, as the supervisor does; only
    for a process that has no other children."""
    if adopts:
        tree.become_subreaper()
    layout = Layout(directory)
    layout.create()
    signing.ensure_keys(layout)
    settings = settings or SupervisorSettings(warm=0)
    switch = directory / "behaviour"
    environment = {**os.environ, "CSP_WORKER_STAND_IN_FILE": str(switch)}
    family = Family(adopts=adopts)
    command = WorkerCommand(layout, environment, model_base_url, argv)
    workers = Workers(command, settings, family)
    refill = Refill(workers, settings)
    server = _server(workers, refill, layout)
    await server.start()
    task = asyncio.create_task(refill.run(), name="refill")
    runtime = LocalRuntime(layout.socket)
    pool = PoolOfWorkers(layout, workers, family, refill, runtime, server, switch)
    try:
        yield pool
    finally:
        await runtime.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await workers.close()
        await pool.server.stop()
        family.kill_all()


def _server(workers: Workers, refill: Refill, layout: Layout) -> SocketServer:
    return SocketServer(SupervisorApi(workers, refill.report).application(), layout.socket)
