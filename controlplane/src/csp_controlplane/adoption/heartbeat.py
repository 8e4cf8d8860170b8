"""Says that the control plane is there, in one Lease that all gateways renew.

What a status says of a session's turns is worth something only while somebody would correct it. The
operator counts a session's quiet time only while this Lease changes, so that gateways that die in
the middle of a turn cost nobody its end. Nothing is elected: of several gateways each renews it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from csp_controlplane.runtime.kubernetes.api import Rejected
from csp_controlplane.runtime.kubernetes.runtime import KubernetesRuntime
from csp_controlplane.runtime.protocol import RuntimeUnavailable

log = structlog.get_logger(__name__)


class Heartbeat:
    """One per gateway."""

    def __init__(self, runtime: KubernetesRuntime, now: Callable[[], datetime]) -> None:
        self._runtime = runtime
        self._now = now

    async def run(self) -> None:
        """Until cancelled. A gateway that does not see the resources says nothing."""
        settings = self._runtime.settings
        place = settings.lease_namespace or settings.namespace, settings.lease_name
        while True:
            if self._runtime.mirror.synced:
                try:
                    await self._runtime.api.renew(*place, self._now())
                except (RuntimeUnavailable, Rejected) as error:
                    log.warning("heartbeat_not_sent", error=str(error))
                except Exception:  # whatever it is, the next one may arrive
                    log.exception("heartbeat_failed")
            await asyncio.sleep(settings.heartbeat_seconds)
