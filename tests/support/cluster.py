"""A cluster without a node: real API server, real operator, and workers by a stand-in kubelet."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lightkube import AsyncClient, KubeConfig

from csp_controlplane.runtime.kubernetes.api import KubernetesApi
from csp_controlplane.runtime.kubernetes.runtime import KubernetesRuntime
from csp_controlplane.runtime.kubernetes.settings import KubernetesSettings
from csp_crds.agent import AgentSpec
from csp_crds.agent_resource import agent_to_resource
from support.apiserver import ApiServer
from support.kube import POOLS, Kube, condition, is_true, pool
from support.kubelet import Kubelet
from support.operator_process import OperatorProcess

READY_S = 240.0


@dataclass
class Cluster:
    """What a test can reach."""

    server: ApiServer
    kube: Kube
    kubelet: Kubelet
    operator: OperatorProcess
    signing_key: Path
    keys: Path

    @property
    def namespace(self) -> str:
        return self.kube.namespace

    def runtime(self, idle_timeout_s: float = 1800.0, **settings: Any) -> KubernetesRuntime:
        """A runtime of its own; start and close it."""
        chosen = {"namespace": self.namespace, "watch_seconds": 5, **settings}
        return KubernetesRuntime(
            new_api(self.server),
            KubernetesSettings.model_validate(chosen),
            idle_timeout_s=idle_timeout_s,
        )

    async def add_pool(
        self, spares: int = 1, profile: AgentSpec | None = None, name: str = "default"
    ) -> None:
        body = pool(
            name,
            scaling={"targetSpare": spares, "cooldownSeconds": 0},
            profile=agent_to_resource(profile or AgentSpec()),
        )
        await self.kube.create(POOLS, body)

    async def until_warm(self, name: str = "default") -> None:
        """All wanted spares wait."""

        def warm(found: Mapping[str, Any]) -> bool:
            status = found.get("status") or {}
            return bool(status.get("warm") == found["spec"]["scaling"]["targetSpare"])

        await self.kube.until(POOLS, name, warm, READY_S, "the pool being warm")


def new_api(server: ApiServer) -> KubernetesApi:
    """As the gateway has it, for the user who may do everything."""
    config = KubeConfig.from_file(server.kubeconfig()).get()
    return KubernetesApi(AsyncClient(config=config))


def write_keys(directory: Path) -> tuple[Path, Path]:
    """(private JWK, public key set) of a new signing key."""
    key = Ed25519PrivateKey.generate()

    def text(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    public = {"kty": "OKP", "crv": "Ed25519", "kid": "test", "use": "sig"}
    public["x"] = text(key.public_key().public_bytes_raw())
    private = directory / "signing-key.json"
    private.write_text(json.dumps({**public, "d": text(key.private_bytes_raw())}))
    keys = directory / "jwks.json"
    keys.write_text(json.dumps({"keys": [public]}))
    return private, keys


@asynccontextmanager
async def running_cluster(
    server: ApiServer, directory: Path, model_base_url: str, **environment: str
) -> AsyncIterator[Cluster]:
    """A namespace with an operator and a kubelet of its own; no pool yet."""
    namespace = await asyncio.to_thread(server.create_namespace)
    signing_key, keys = write_keys(directory)
    async with Kube(server, namespace) as kube:
        for name in ("csp-model-proxy", "csp-egress-proxy"):
            service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}
            await kube.create("services", {**service, "spec": {"ports": [{"port": 8402}]}})
        operator = OperatorProcess(
            server.kubeconfig(), namespace, directory, {"CSP_LOG_FORMAT": "console", **environment}
        )
        async with Kubelet(kube, directory / "pods", keys, model_base_url) as kubelet:
            await asyncio.to_thread(operator.start)
            try:
                yield Cluster(server, kube, kubelet, operator, signing_key, keys)
            finally:
                await asyncio.to_thread(operator.stop)


__all__ = ["Cluster", "condition", "is_true", "new_api", "running_cluster", "write_keys"]
