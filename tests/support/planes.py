"""Gateway cores on Kubernetes, in this process: the core, the adopter and the reporter."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from csp_controlplane.adoption.build import new_reporter, running_adoption
from csp_controlplane.attach.settings import CoreSettings
from csp_controlplane.runtime.kubernetes.runtime import KubernetesRuntime
from csp_controlplane.runtime.kubernetes.settings import KubernetesSettings
from csp_controlplane.sessions.build import build_sessions
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store.database import Database
from csp_crds import names
from support.apiserver import ApiServer
from support.cluster import new_api
from support.gateways import Metrics
from support.hostile_worker import HostileWorker
from support.kube import SESSIONS, Kube, Object

TENANT = "acme"
ALICE = "user_alice"
ADDRESS = "alice@example.org"


@dataclass(frozen=True)
class Plane:
    """One gateway core."""

    service: SessionService
    runtime: KubernetesRuntime


@dataclass
class Planes:
    """Starts cores on one database and one namespace, and stops them."""

    db: Database
    redis: Any
    server: ApiServer
    namespace: str
    key_file: Path
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    metrics: Metrics = field(default_factory=Metrics)

    async def start(
        self, name: str = "gw", kubernetes: dict[str, Any] | None = None, **settings: Any
    ) -> Plane:
        runtime = KubernetesRuntime(
            new_api(self.server),
            KubernetesSettings.model_validate(
                {
                    "namespace": self.namespace,
                    "tenant": TENANT,
                    "watch_seconds": 5,
                    "resync_seconds": 3.0,
                    **(kubernetes or {}),
                }
            ),
            idle_timeout_s=1800.0,
        )
        await runtime.start()
        self.stack.push_async_callback(runtime.close)
        reporter = new_reporter(self.db, runtime)
        service = await self.stack.enter_async_context(
            build_sessions(
                db=self.db,
                redis=self.redis,
                runtime=runtime,
                signing_key_file=self.key_file,
                gateway_id=name,
                metrics=self.metrics,
                settings=CoreSettings(**{"poll": 0.1, "lease": 2.0, **settings}),
                observer=reporter,
            )
        )
        await self.stack.enter_async_context(running_adoption(self.db, service, runtime, reporter))
        return Plane(service, runtime)


async def add_people(db: Database) -> None:
    async with db.tenant(TENANT) as connection:
        await connection.execute("insert into tenants values ($1, 'Acme')", TENANT)
        await connection.execute(
            "insert into users (id, tenant, email, name) values ($1, $2, $3, 'Alice')",
            ALICE,
            TENANT,
            ADDRESS,
        )


class PlayedPod(HostileWorker):
    """A pod whose worker the test plays, and the operator that gives it to a session."""

    def __init__(self, uid: str, address: str) -> None:
        super().__init__(uid, Path())
        self.address = address
        self.endpoint = f"{address}:{names.WORKER_PORT}"

    async def give_to(self, kube: Kube, name: str) -> Object:
        """As the operator says it when it has claimed the pod."""
        return await kube.apply_status(
            SESSIONS,
            name,
            names.OPERATOR_MANAGER,
            {
                "phase": "Bound",
                "pod": {"name": "pod", "uid": self.worker_id, "ip": self.address, "start": "warm"},
                "conditions": [operator_condition("Bound", "True", "Claimed")],
            },
        )


async def take_pod(kube: Kube, name: str, reason: str = "PodLost", message: str = "") -> Object:
    """As the operator says it when the session has no pod, or none any more."""
    unbound = operator_condition("Bound", "False", reason, message)
    status = {"phase": "Pending", "conditions": [unbound]}
    return await kube.apply_status(SESSIONS, name, names.OPERATOR_MANAGER, status)


def operator_condition(kind: str, status: str, reason: str, message: str = "") -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
