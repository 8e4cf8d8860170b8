"""Charges reservations that were never settled, because the proxy that made them is gone."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import structlog

from csp_controlplane.proxy.ledger import Ledger
from csp_controlplane.proxy.metrics import ProxyMetrics
from csp_controlplane.proxy.settling import SessionUsage
from csp_controlplane.store.database import DATABASE_AWAY

log = structlog.get_logger(__name__)

_AT_ONCE = 500


class Sweeper:
    """Every proxy runs one; charging twice is not possible."""

    def __init__(
        self, ledger: Ledger, usage: SessionUsage, metrics: ProxyMetrics, older_than_s: float
    ) -> None:
        self._ledger = ledger
        self._usage = usage
        self._metrics = metrics
        self._older_than_s = older_than_s

    async def run(self, pause_s: float) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.sweep()
            except DATABASE_AWAY as error:
                log.debug("sweep_waits_for_the_database", error=str(error))
            await asyncio.sleep(pause_s)

    async def sweep(self) -> int:
        """How many reservations were charged."""
        found = await self._ledger.unsettled(self._older_than_s, _AT_ONCE)
        by_session: dict[tuple[str, str], list[str]] = defaultdict(list)
        for tenant, session, identifier in found:
            by_session[tenant, session].append(identifier)
        for (tenant, session), identifiers in by_session.items():
            totals = await self._ledger.expire(tenant, session, identifiers)
            self._metrics.expired.inc(len(identifiers))
            log.warning("reservations_expired", session_id=session, requests=len(identifiers))
            await self._usage.append(tenant, session, totals)
        return len(found)
