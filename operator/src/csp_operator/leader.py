"""One replica acts: the holder of a Lease, by the rules of Kubernetes' own leader election.

A candidate never compares the times of two machines: it takes the Lease when it has seen no change
in it for the Lease's whole duration by its own clock. A leader that could not renew for a shorter
time stops by itself, so that at no time two act. Source: client-go, tools/leaderelection.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import structlog

from csp_operator.api.client import KubeApi
from csp_operator.api.errors import ApiError, NotFound
from csp_operator.api.resources import LEASES
from csp_operator.metrics import OperatorMetrics
from csp_operator.settings import OperatorSettings

log = structlog.get_logger(__name__)


class Leader:
    """`run` keeps trying until cancelled; `gained` and `lost` are set in turn."""

    def __init__(self, settings: OperatorSettings, metrics: OperatorMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._until = 0.0  # of the loop's clock
        self._seen: tuple[object, ...] = ()
        self._seen_at = 0.0
        self.gained = asyncio.Event()
        self.lost = asyncio.Event()
        self.lost.set()

    def leads(self) -> bool:
        """Whether a write may be sent now."""
        return self.gained.is_set() and asyncio.get_running_loop().time() < self._until

    async def run(self, api: KubeApi) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                held = await self._attempt(api)
            except ApiError as error:
                log.warning("lease_not_renewed", error=str(error))
                held = False
            if held and not self.gained.is_set():
                log.info("leads", identity=self._settings.identity)
                self._switch(True)
            elif self.gained.is_set() and loop.time() >= self._until:
                log.warning("leads_no_more", identity=self._settings.identity)
                self._switch(False)
            await asyncio.sleep(self._pause(loop.time()))

    async def release(self, api: KubeApi) -> None:
        """Gives the Lease up, so that the next one need not wait. Never raises ApiError."""
        if not self.gained.is_set():
            return
        self._switch(False)
        try:
            lease = await self._read(api)
            if lease is not None and lease["spec"].get("holderIdentity") == self._settings.identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._replace(api, lease)
        except ApiError as error:
            log.warning("lease_not_released", error=str(error))

    def _switch(self, leads: bool) -> None:
        (self.gained.set if leads else self.gained.clear)()
        (self.lost.clear if leads else self.lost.set)()
        self._metrics.leader.set(1 if leads else 0)

    def _pause(self, now: float) -> float:
        retry = self._settings.lease_retry_seconds
        # A leader wakes at its deadline at the latest, to stop in time.
        return min(retry, max(0.01, self._until - now)) if self.gained.is_set() else retry

    async def _attempt(self, api: KubeApi) -> bool:
        """Whether the Lease is ours after this attempt."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        lease = await self._read(api)
        if lease is None:
            await api.create(LEASES, self._settings.lease_namespace, self._fresh())
            self._until = begun + self._settings.lease_renew_seconds
            return True
        spec = lease["spec"]
        seen = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, begun
        mine = spec.get("holderIdentity") == self._settings.identity
        duration = float(spec.get("leaseDurationSeconds") or self._settings.lease_seconds)
        expired = begun - self._seen_at >= duration
        # A holder of our name that we are not is an earlier life of this replica: it is waited for.
        ours = mine and self.gained.is_set()
        if spec.get("holderIdentity") and not ours and not expired:
            return False
        lease["spec"] = self._spec(spec, takes=not ours)
        await self._replace(api, lease)
        self._until = begun + self._settings.lease_renew_seconds
        return True

    async def _read(self, api: KubeApi) -> dict[str, Any] | None:
        try:
            return await api.get(LEASES, self._settings.lease_namespace, self._settings.lease_name)
        except NotFound:
            return None

    async def _replace(self, api: KubeApi, lease: dict[str, Any]) -> None:
        settings = self._settings
        await api.replace(LEASES, settings.lease_namespace, settings.lease_name, lease)

    def _fresh(self) -> dict[str, Any]:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self._settings.lease_name,
                "namespace": self._settings.lease_namespace,
            },
            "spec": self._spec({}, takes=True),
        }

    def _spec(self, before: dict[str, Any], *, takes: bool) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        transitions = int(before.get("leaseTransitions") or 0)
        return {
            "holderIdentity": self._settings.identity,
            "leaseDurationSeconds": max(1, round(self._settings.lease_seconds)),
            "acquireTime": now if takes else before.get("acquireTime", now),
            "renewTime": now,
            "leaseTransitions": transitions + (1 if takes and before else 0),
        }
