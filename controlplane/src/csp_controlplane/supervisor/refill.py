"""Keeps the pool of spares as pool.py decides it should be."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import structlog

from csp_controlplane.supervisor import pool
from csp_controlplane.supervisor.settings import SupervisorSettings
from csp_controlplane.supervisor.workers import Workers

_log = structlog.get_logger(__name__)


class Refill:
    """One task, `run()`, owned by the supervisor."""

    def __init__(self, workers: Workers, settings: SupervisorSettings) -> None:
        self._workers = workers
        self._policy = pool.PoolPolicy(
            default_profile=workers.demand.default_profile,
            warm=settings.warm,
            total=max(settings.warm_total, settings.warm),
            recent_s=settings.warm_recent,
            parallel_starts=settings.parallel_starts,
        )

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._workers.changed.clear()
            steps = pool.plan(self._policy, self._observe())
            for worker_id in steps.stop:
                _log.info("surplus spare ends", worker_id=worker_id)
                self._workers.end_spare(worker_id)
            for profile in steps.start:
                await self._workers.start_spare(profile)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._workers.changed.wait(), steps.look_again_s)

    def report(self) -> list[dict[str, Any]]:
        """The pool as `GET /v1/pool` shows it."""
        demand = self._workers.demand
        seen = self._observe()
        wanted = pool.targets(self._policy, seen.used_at, seen.now)
        rows = []
        for profile in sorted({*wanted, *(spare.profile for spare in seen.spares)}):
            same = [spare for spare in seen.spares if spare.profile == profile]
            rows.append(
                {
                    "profile": profile,
                    "default": profile == self._policy.default_profile,
                    "target": wanted.get(profile, 0),
                    "warm": sum(spare.ready for spare in same),
                    "starting": sum(not spare.ready for spare in same),
                    "failing": demand.failing(profile),
                    "last_error": demand.last_error.get(profile),
                }
            )
        return rows

    def _observe(self) -> pool.Observed:
        workers, demand = self._workers, self._workers.demand
        return pool.Observed(
            now=asyncio.get_running_loop().time(),
            spares=workers.spares(),
            used_at=demand.used_at,
            start_at=demand.start_at(),
            starting_for_sessions=workers.starting_for_sessions,
            room=workers.room,
        )
