"""What runs this gateway's workers: the supervisor's processes, or pods.

What only pods need is imported only there: a local gateway holds no Kubernetes client in memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from csp_controlplane.attach.settings import CoreSettings
from csp_controlplane.gateway.settings import GatewaySettings
from csp_controlplane.runtime.local import LocalRuntime
from csp_controlplane.runtime.protocol import SessionRuntime
from csp_controlplane.sessions.build import build_sessions
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.settings import ObjectSettings
from csp_controlplane.store.database import Database
from csp_controlplane.store.objects import open_objects


class GatewayRuntime(SessionRuntime, Protocol):
    """A runtime that is started and closed inside the event loop."""

    async def start(self) -> None: ...
    async def close(self) -> None: ...


def open_runtime(settings: GatewaySettings) -> GatewayRuntime:
    """Raises RuntimeUnavailable when there is no access to the cluster."""
    if settings.runtime == "local":
        return LocalRuntime(settings.supervisor_socket or Path("supervisor.sock"))
    from csp_controlplane.runtime.kubernetes.runtime import KubernetesRuntime
    from csp_controlplane.runtime.kubernetes.settings import KubernetesSettings

    return KubernetesRuntime.from_environment(
        KubernetesSettings(), idle_timeout_s=CoreSettings().idle_timeout
    )


@asynccontextmanager
async def running_sessions(
    settings: GatewaySettings, db: Database, runtime: SessionRuntime, **parts: Any
) -> AsyncIterator[SessionService]:
    """The core, and on Kubernetes the adoption of resources beside it."""
    parts["objects"] = open_objects(ObjectSettings().url, db)
    if settings.runtime == "local":
        async with build_sessions(db=db, runtime=runtime, **parts) as service:
            yield service
        return
    from csp_controlplane.adoption.build import new_reporter, running_adoption
    from csp_controlplane.runtime.kubernetes.runtime import KubernetesRuntime

    if not isinstance(runtime, KubernetesRuntime):
        raise TypeError(f"CSP_RUNTIME is kubernetes, the runtime is a {type(runtime).__name__}")
    reporter = new_reporter(db, runtime)
    async with (
        build_sessions(db=db, runtime=runtime, observer=reporter, **parts) as service,
        running_adoption(db, service, runtime, reporter),
    ):
        yield service
