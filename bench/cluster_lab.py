"""An API server, one operator, and a client that sees what a user's watch would see."""

from __future__ import annotations

import asyncio
import gc
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from csp_crds import names
from csp_operator.metrics import CLAIM_STEPS
from support.apiserver import ApiServer
from support.kube import POOLS, SESSIONS, Kube, StandInNode, bound, pool, session
from support.operator_process import OperatorProcess
from support.waiting import wait_until

ROOT = Path(__file__).parents[1]
AGENTS = ("csp-operator", "kopf/")
# As in production, apart from where it listens.
_PRODUCTION = {
    "CSP_OPERATOR_LEASE_SECONDS": "15",
    "CSP_OPERATOR_LEASE_RENEW_SECONDS": "10",
    "CSP_OPERATOR_LEASE_RETRY_SECONDS": "2",
    "CSP_OPERATOR_RESYNC_SECONDS": "120",
    "CSP_OPERATOR_REQUEST_SECONDS": "10",
    "CSP_OPERATOR_LOG_LEVEL": "warning",
}


@dataclass
class ClusterLab:
    server: ApiServer
    kube: Kube
    node: StandInNode
    operator: OperatorProcess
    _bound: dict[str, asyncio.Future[tuple[float, dict[str, Any]]]] = field(default_factory=dict)

    @property
    def operator_pid(self) -> int:
        assert self.operator.process is not None
        return self.operator.process.pid

    async def fill(self, count: int, **more: Any) -> None:
        """A pool with so many pods that wait, all Ready."""
        scaling = {"targetSpare": count, "maxWarm": 5000, "cooldownSeconds": 3600}
        refill = {"maxConcurrent": 1000}
        await self.kube.create(POOLS, pool(scaling=scaling, refill=refill, **more))
        await self.full(count)

    async def resize(self, count: int) -> None:
        await self.kube.merge(POOLS, "default", {"spec": {"scaling": {"targetSpare": count}}})

    async def full(self, count: int) -> None:
        async def filled() -> bool:
            # The pods themselves: the pool's status is written at most once a second.
            pods = await self.kube.pods(state=names.STATE_WARM)
            return sum(1 for pod in pods if (pod.get("status") or {}).get("podIP")) == count

        await wait_until(filled, 120, f"{count} warm pods", interval=0.05)

    async def claim(self, name: str) -> tuple[float, str]:
        """Seconds from the POST until the watch says Bound, and how the pod came."""
        seen = asyncio.get_running_loop().create_future()
        self._bound[name] = seen
        begun = asyncio.get_running_loop().time()
        await self.kube.create(SESSIONS, session(name))
        at, found = await seen
        return at - begun, found["status"]["pod"]["start"]

    def forget(self, names: Iterable[str]) -> None:
        """These claims are over."""
        for name in names:
            self._bound.pop(name, None)

    async def follow(self) -> None:
        """Reads the watch; runs beside the measurement. What a broken watch missed is read."""
        while True:
            sessions, version = await self.kube.listing(SESSIONS)
            for found in sessions:
                self._hear(found)
            async with self.kube.watch(SESSIONS, version) as news:
                async for event in news:
                    self._hear(event["object"])

    def _hear(self, found: dict[str, Any]) -> None:
        waiting = self._bound.get(found["metadata"]["name"])
        if waiting is not None and not waiting.done() and bound(found):
            waiting.set_result((asyncio.get_running_loop().time(), found))

    def steps(self) -> dict[str, float]:
        """Seconds that all claims so far took in each of the operator's steps."""
        text = 'csp_operator_claim_seconds_sum{step="%s"}'
        return {step: self.operator.metric(text % step) for step in CLAIM_STEPS}

    def writes(self) -> dict[str, int]:
        """Finished writes of the operator so far, by resource: from the audit log."""
        counted: dict[str, int] = {}
        for record in self.server.audit():
            agent = record.get("userAgent") or ""
            if record["verb"] in ("get", "list", "watch") or not agent.startswith(AGENTS):
                continue
            reference = record.get("objectRef") or {}
            parts = [record["verb"], reference.get("resource", "?"), reference.get("subresource")]
            kind = " ".join(part for part in parts if part)
            counted[kind] = counted.get(kind, 0) + 1
        return counted


@asynccontextmanager
async def open_cluster() -> AsyncIterator[ClusterLab]:
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="csp-bench-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        server = stack.enter_context(ApiServer())
        server.apply_crds(ROOT / "crds")
        namespace = server.create_namespace()
        async with Kube(server, namespace, "csp-bench") as kube, StandInNode(kube) as node:
            for name in ("csp-model-proxy", "csp-egress-proxy"):
                body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 8402}]}}
                await kube.create("services", body)
            operator = OperatorProcess(server.kubeconfig(), namespace, directory, _PRODUCTION)
            stack.enter_context(operator)
            lab = ClusterLab(server, kube, node, operator)
            following = asyncio.create_task(lab.follow(), name="bench-watch")
            gc.collect()
            gc.disable()
            try:
                yield lab
            finally:
                gc.enable()
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)


def label_of(kind: str) -> str:
    """Where a write belongs: to the claim, to the refill, or beside both."""
    if kind in ("patch pods", "patch agentsessions status", "patch agentsessions"):
        return "claim"
    if kind in ("create events", "update leases", "create leases"):
        return "beside"
    return "refill"
