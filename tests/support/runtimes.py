"""Every implementation of SessionRuntime, behind what its conformance suite needs.

Another runtime joins the suite with a harness here and its name in `RUNTIMES`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from csp_controlplane.attach.tokens import WorkerTokens
from csp_controlplane.runtime.kubernetes.runtime import KubernetesRuntime
from csp_controlplane.runtime.protocol import SessionRuntime, WorkerRef
from csp_controlplane.supervisor.settings import SupervisorSettings
from csp_crds import names
from csp_crds.agent import AgentSpec
from csp_crds.agent_resource import agent_to_resource
from support.apiserver import ApiServer
from support.cluster import Cluster, is_true, running_cluster
from support.kube import POOLS
from support.pool_of_workers import REAL, PoolOfWorkers, pool_of_workers
from support.waiting import wait_until

RUNTIMES = ("local", "kubernetes")


class RuntimeHarness(Protocol):
    """A runtime with real workers, and what happens to them from outside."""

    runtime: SessionRuntime
    spares: int
    """Warm spares of the default profile that it was asked to keep."""
    warms_mcp_servers: bool

    async def warm_up(self, profile: AgentSpec) -> None:
        """A spare of this profile is ready, besides those of the default one."""

    def sign(self, worker_id: str, session_id: str, epoch: int) -> tuple[tuple[str, str], ...]:
        """Metadata of one call to a worker, as a gateway sends it."""

    def pid_of(self, worker: WorkerRef) -> int:
        """The worker's process."""

    async def until_warm(self) -> None:
        """All spares are ready."""

    async def kill(self, worker: WorkerRef) -> None:
        """The worker's process dies without notice."""

    async def leave_file(self, session_id: str) -> None:
        """A file in the session's working directory, as its agent may leave one."""

    async def has_file(self, session_id: str) -> bool:
        """Whether the session's worker, or its next one, finds that file."""

    async def go_away(self) -> None:
        """What the runtime talks to stops answering; workers live on."""

    async def come_back(self) -> None: ...

    async def watching(self, count: int) -> None:
        """Returns once so many `watch()` iterators are connected."""


class LocalHarness:
    """LocalRuntime over a registry of workers in this process."""

    spares = 1
    warms_mcp_servers = False
    """They have addresses and credentials, which a local spare does not keep."""

    def __init__(self, pool: PoolOfWorkers) -> None:
        self._pool = pool
        self.runtime: SessionRuntime = pool.runtime

    async def until_warm(self) -> None:
        await wait_until(
            lambda: sum(spare.ready for spare in self._pool.workers.spares()) == self.spares,
            60,
            "the spares being warm",
        )

    async def warm_up(self, profile: AgentSpec) -> None:
        """As somebody who had just used this definition: its spares are refilled."""
        await self.runtime.create("sesn_profile", "local", profile)
        await self.runtime.wait_ready("sesn_profile", 60)
        await self.runtime.delete("sesn_profile")
        wanted = profile.spawn_profile()

        def ready() -> bool:
            spares = self._pool.workers.spares()
            return any(spare.ready and spare.profile == wanted for spare in spares)

        await wait_until(ready, 60, "a spare of the profile")

    def sign(self, worker_id: str, session_id: str, epoch: int) -> tuple[tuple[str, str], ...]:
        tokens = WorkerTokens.from_file(self._pool.layout.signing_key)
        return tokens.metadata(worker_id, session_id, epoch)

    def pid_of(self, worker: WorkerRef) -> int:
        return self._pool.pid_of(worker.worker_id)

    async def kill(self, worker: WorkerRef) -> None:
        os.kill(self.pid_of(worker), signal.SIGKILL)

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


class KubernetesHarness:
    """KubernetesRuntime with a real API server and operator, and workers by a stand-in kubelet."""

    spares = 1
    warms_mcp_servers = True

    def __init__(self, cluster: Cluster, runtime: KubernetesRuntime) -> None:
        self._cluster = cluster
        self._tokens = WorkerTokens.from_file(cluster.signing_key)
        self.runtime: SessionRuntime = runtime
        self._mirror = runtime.mirror
        self._watchers = runtime.watchers

    async def until_warm(self) -> None:
        await self._cluster.until_warm()

    async def warm_up(self, profile: AgentSpec) -> None:
        body = {"spec": {"profile": agent_to_resource(profile)}}
        await self._cluster.kube.merge(POOLS, "default", body)
        wanted = profile.spawn_profile()

        async def ready() -> bool:
            pods = await self._cluster.kube.pods(state=names.STATE_WARM)
            return any(
                pod["metadata"]["labels"].get(names.PROFILE) == wanted and is_true("Ready")(pod)
                for pod in pods
            )

        await wait_until(ready, 90, "a spare of the profile")
        await self._cluster.until_warm()

    def sign(self, worker_id: str, session_id: str, epoch: int) -> tuple[tuple[str, str], ...]:
        return self._tokens.metadata(worker_id, session_id, epoch)

    def pid_of(self, worker: WorkerRef) -> int:
        return self._cluster.kubelet.pid_of(worker.worker_id)

    async def kill(self, worker: WorkerRef) -> None:
        self._cluster.kubelet.kill(worker.worker_id)

    async def leave_file(self, session_id: str) -> None:
        workspace = await self._workspace(session_id)
        assert workspace is not None
        workspace.mkdir(parents=True, exist_ok=True)
        (workspace / "file").write_text("kept")

    async def has_file(self, session_id: str) -> bool:
        workspace = await self._workspace(session_id)
        return workspace is not None and (workspace / "file").exists()

    async def _workspace(self, session_id: str) -> Path | None:
        """On the disk of the pod that is the session's; the control plane's archive, which carries
        files from pod to pod, is not the runtime's (tests/adoption)."""
        worker = await self.runtime.endpoint(session_id)
        if worker is None:
            return None
        return self._cluster.kubelet.workspaces(worker.worker_id) / session_id

    async def go_away(self) -> None:
        await asyncio.to_thread(self._cluster.server.stop)

    async def come_back(self) -> None:
        await asyncio.to_thread(self._cluster.server.start_again)
        await wait_until(lambda: self._mirror.synced, 60, "the copy being complete again")

    async def watching(self, count: int) -> None:
        def there() -> bool:
            return self._mirror.synced and len(self._watchers) >= count

        await wait_until(there, 30, "the watch")


@asynccontextmanager
async def runtime_harness(
    name: str, directory: Path, model_base_url: str, server: ApiServer | None
) -> AsyncIterator[RuntimeHarness]:
    """One runtime of RUNTIMES, with real workers. `server`: for those that need one."""
    if name == "local":
        spares = LocalHarness.spares
        settings = SupervisorSettings(warm=spares, warm_total=2 * spares)
        async with pool_of_workers(
            directory, argv=REAL, settings=settings, model_base_url=model_base_url
        ) as pool:
            yield LocalHarness(pool)
        return
    if server is None:
        raise ValueError(f"the runtime {name!r} needs an API server")
    async with running_cluster(server, directory, model_base_url) as cluster:
        await cluster.add_pool(KubernetesHarness.spares)
        runtime = cluster.runtime()
        await runtime.start()
        try:
            yield KubernetesHarness(cluster, runtime)
        finally:
            if not server.running:  # the test ended in between; others use it as well
                await asyncio.to_thread(server.start_again)
            await runtime.close()
