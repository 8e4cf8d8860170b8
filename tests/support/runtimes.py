"""Every implementation of SessionRuntime, behind what its conformance suite needs.

Another runtime joins the suite with a harness here and its name in `RUNTIMES`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from csp_controlplane.runtime.protocol import SessionRuntime, WorkerRef
from csp_controlplane.supervisor.settings import SupervisorSettings
from support.pool_of_workers import REAL, PoolOfWorkers, pool_of_workers
from support.waiting import wait_until

RUNTIMES = ("local",)


class RuntimeHarness(Protocol):
    """A runtime with real workers, and what happens to them from outside."""

    runtime: SessionRuntime
    spares: int
    """Warm spares of the default profile that it was asked to keep."""

    async def until_warm(self) -> None:
        """All spares are ready."""

    async def kill(self, worker: WorkerRef) -> None:
        """The worker's process dies without notice."""

    async def leave_file(self, session_id: str) -> None:
        """A file in the session's working directory, as its agent may leave one."""

    async def has_file(self, session_id: str) -> bool:
        """Whether that file is still there."""

    async def go_away(self) -> None:
        """What the runtime talks to stops answering; workers live on."""

    async def come_back(self) -> None: ...

    async def watching(self, count: int) -> None:
        """Returns once so many `watch()` iterators are connected."""


class LocalHarness:
    """LocalRuntime over a registry of workers in this process."""

    spares = 1

    def __init__(self, pool: PoolOfWorkers) -> None:
        self._pool = pool
        self.runtime: SessionRuntime = pool.runtime

    async def until_warm(self) -> None:
        await wait_until(
            lambda: sum(spare.ready for spare in self._pool.workers.spares()) == self.spares,
            60,
            "the spares being warm",
        )

    async def kill(self, worker: WorkerRef) -> None:
        os.kill(self._pool.pid_of(worker.worker_id), signal.SIGKILL)

    async def leave_file(self, session_id: str) -> None:
        workspace = self._pool.layout.workspaces / session_id
        workspace.mkdir(exist_ok=True)
        (workspace / "file").write_text("kept")

    async def has_file(self, session_id: str) -> bool:
        return (self._pool.layout.workspaces / session_id / "file").exists()

    async def go_away(self) -> None:
        await self._pool.stop_serving()

    async def come_back(self) -> None:
        await self._pool.serve_again()

    async def watching(self, count: int) -> None:
        await wait_until(lambda: len(self._pool.workers.watchers) >= count, 20, "the watch")


@asynccontextmanager
async def runtime_harness(
    name: str, directory: Path, model_base_url: str
) -> AsyncIterator[RuntimeHarness]:
    """One runtime of RUNTIMES, with real workers."""
    if name != "local":
        raise ValueError(f"there is no runtime {name!r}")
    settings = SupervisorSettings(warm=LocalHarness.spares, warm_total=LocalHarness.spares)
    async with pool_of_workers(
        directory, argv=REAL, settings=settings, model_base_url=model_base_url
    ) as pool:
        yield LocalHarness(pool)
