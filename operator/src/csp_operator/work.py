"""The part that acts, while this replica leads: lists everything, then works the queue off."""

from __future__ import annotations

import asyncio

import structlog

from csp_operator.api.errors import ApiError, Away, Conflict
from csp_operator.leader import Leader
from csp_operator.pulse import Pulse
from csp_operator.queue import Key
from csp_operator.reconcile.claim import Busy
from csp_operator.reconcile.core import Core
from csp_operator.reconcile.orphans import OrphanReconciler
from csp_operator.reconcile.pools import PoolReconciler
from csp_operator.reconcile.sessions import SessionReconciler
from csp_operator.resync import Resync
from csp_operator.store import Name
from csp_operator.tasks import end, failure

log = structlog.get_logger(__name__)

_AWAY_CAP_S, _ERROR_CAP_S = 3.0, 60.0
_FIRST_RETRY_S = 0.05


class Work:
    """`run` until cancelled."""

    def __init__(
        self,
        core: Core,
        leader: Leader,
        resync: Resync,
        sessions: SessionReconciler,
        pools: PoolReconciler,
        orphans: OrphanReconciler,
        pulse: Pulse,
    ) -> None:
        self._core = core
        self._leader = leader
        self._resync = resync
        self._sessions = sessions
        self._pools = pools
        self._orphans = orphans
        self._pulse = pulse
        self._failures: dict[Key, int] = {}

    async def run(self) -> None:
        while True:
            await self._leader.gained.wait()
            acting = asyncio.create_task(self._act(), name="acting")
            lost = asyncio.create_task(self._leader.lost.wait(), name="leadership-lost")
            try:
                await asyncio.wait({acting, lost}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await end({acting, lost})
                self._core.queue.clear()
                self._failures.clear()
            if (error := failure({acting})) is not None:
                raise error

    async def _act(self) -> None:
        # Nothing is decided before the picture is complete.
        self._core.queue.clear()
        await self._list_until_done()
        queue, notes = self._core.queue, self._core.notes
        parts = {
            f"worker-{n}": queue.work(self._handle) for n in range(self._core.settings.workers)
        }
        api = self._core.api
        parts |= {"resync": self._list_regularly(), "events": notes.run(api)}
        parts |= {"pulse": self._pulse.run(api)}
        tasks = {asyncio.create_task(part, name=name) for name, part in parts.items()}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(tasks)
        if (error := failure(tasks)) is not None:
            raise error

    async def _list_until_done(self) -> None:
        while True:
            try:
                return await self._resync.run()
            except ApiError as error:
                log.warning("list_failed", error=str(error))
                await asyncio.sleep(1.0)

    async def _list_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._core.settings.resync_seconds)
            await self._list_until_done()

    async def _handle(self, key: Key, since: float) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            await self._look(key, since)
        except Busy as error:
            log.debug("looked_too_early", key=key, reason=str(error))
            self._core.queue.add(key, 0.5)
        except ApiError as error:
            self._retry(key, error)
        except Exception:  # one resource that cannot be handled must not stop the others
            log.exception("reconcile_failed", kind=key.kind, namespace=key.namespace, name=key.name)
            self._retry(key, None)
        else:
            self._failures.pop(key, None)
        self._core.metrics.reconcile.labels(key.kind).observe(loop.time() - begun)

    async def _look(self, key: Key, since: float) -> None:
        match key.kind:
            case "session":
                await self._sessions.look(Name(key.namespace, key.name), since)
            case "pool":
                await self._pools.look(Name(key.namespace, key.name))
            case "orphan":
                await self._orphans.look(key.name)

    def _retry(self, key: Key, error: ApiError | None) -> None:
        """Doubling pauses; short ones for what is over soon: a conflict, a server that is away."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        cap = _AWAY_CAP_S if isinstance(error, Away | Conflict) else _ERROR_CAP_S
        delay = min(cap, _FIRST_RETRY_S * 2 ** min(failures, 16))
        self._core.metrics.errors.labels(key.kind).inc()
        if error is not None:
            log.warning(
                "reconcile_repeated",
                kind=key.kind,
                namespace=key.namespace,
                name=key.name,
                error=str(error),
                retry_in_s=delay,
            )
        self._core.queue.add(key, delay)
