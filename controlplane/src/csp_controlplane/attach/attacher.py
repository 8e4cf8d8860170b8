"""The gateway's set of live sessions and the loops that keep the set right.

A session is here while somebody watches it in this gateway or while this gateway looks after its
worker. The loops find sessions that nobody looks after, renew leases, read logs whose announcement
was lost, and give the workers of idle sessions back. They hold no state that a restart would miss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date
from typing import Any, Protocol

import structlog

from csp_controlplane.attach import lifecycle, resting
from csp_controlplane.attach.announcements import Announcements
from csp_controlplane.attach.core import Core, spawn
from csp_controlplane.attach.keeper import Keeper
from csp_controlplane.correlation import of_session
from csp_controlplane.live.frames import RESTART
from csp_controlplane.live.hub import Hub
from csp_controlplane.runtime.protocol import RuntimeUnavailable
from csp_controlplane.store import sessions
from csp_controlplane.store.database import DATABASE_AWAY
from csp_controlplane.store.log import log_heads

log = structlog.get_logger(__name__)

BATCH = 50


class Located(Protocol):
    """Which session, and how far its log has come: a row, or what stands for it."""

    @property
    def id(self) -> str: ...

    @property
    def tenant(self) -> str: ...

    @property
    def month(self) -> date: ...

    @property
    def last_seq(self) -> int: ...


class Attacher:
    """Owns the hubs and keepers of one gateway."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._hubs: dict[str, Hub] = {}
        self._keepers: dict[str, Keeper] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._announcements = Announcements(core.redis, self._on_announcement)
        self._stopping = False

    async def start(self) -> None:
        """Starts the loops."""
        poll = self._core.settings.poll
        lease = self._core.settings.lease
        loops: tuple[tuple[str, float, Callable[[], Awaitable[None]]], ...] = (
            ("heads", poll, self._read_heads),
            ("adopt", poll, self._adopt),
            ("renew", lease / 3, self._renew),
        )
        if not self._core.runtime.pauses_idle:
            pause = min(30.0, self._core.settings.idle_timeout / 4)
            loops = (*loops, ("idle", pause, self._pause_idle))
        for name, period, step in loops:
            spawn(self._tasks, self._loop(name, period, step), f"attacher-{name}")
        spawn(self._tasks, self._watch_runtime(), "attacher-runtime")
        spawn(self._tasks, self._announcements.run(), "attacher-announcements")

    async def stop(self) -> None:
        """Lets every session go: clients reconnect elsewhere, workers find another writer."""
        self._stopping = True
        for hub in self._hubs.values():
            hub.close(RESTART, "The gateway restarts: reconnect.")
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- the set

    async def hub(self, row: Located) -> Hub:
        """The session's hub in this gateway."""
        hub = self._hubs.get(row.id)
        if hub is None:
            hub = Hub(self._core.db, row.tenant, row.id, row.month, row.last_seq)
            self._hubs[row.id] = hub
            self._announcements.add(row.id)
        return hub

    def known(self, session: str) -> Hub | None:
        return self._hubs.get(session)

    async def keep(self, row: Located) -> Hub:
        """Makes sure that this gateway looks at the session's worker now."""
        hub = await self.hub(row)
        keeper = self._keepers.get(row.id)
        if keeper is None and not self._stopping:
            keeper = Keeper(self._core, hub)
            self._keepers[row.id] = keeper
            run, context = self._run_keeper(row.id, keeper), of_session(row.tenant, row.id)
            spawn(self._tasks, run, f"keeper-{row.id}", context)
        elif keeper is not None:
            keeper.poke()
        return hub

    def forget_if_unused(self, session: str) -> None:
        """Drops a hub that nobody uses."""
        hub = self._hubs.get(session)
        if hub is not None and session not in self._keepers and not hub.watched:
            del self._hubs[session]
            self._announcements.remove(session)

    async def _run_keeper(self, session: str, keeper: Keeper) -> None:
        try:
            await keeper.run()
        except Exception:  # the adopting loop starts another keeper while there is work
            log.exception("keeper_failed", session_id=session)
        finally:
            self._keepers.pop(session, None)
            self.forget_if_unused(session)

    # ---- the loops

    async def _loop(self, name: str, period: float, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(period)
            try:
                await step()
            except (*DATABASE_AWAY, RuntimeUnavailable) as error:
                log.warning("attacher_waits", loop=name, error=str(error))
            except Exception:  # a loop that dies would leave sessions alone for ever
                log.exception("attacher_step_failed", loop=name)

    async def _read_heads(self) -> None:
        self._core.metrics.attachments(sum(k.attached for k in self._keepers.values()))
        for session, head in (await log_heads(self._core.db, list(self._hubs))).items():
            hub = self._hubs.get(session)
            if hub is not None and head > hub.shown:
                await hub.catch_up(head)
                await self._wake(session, hub)

    async def _adopt(self) -> None:
        for tenant, session in await sessions.needing_worker(self._core.db, BATCH):
            row = await sessions.load(self._core.db, tenant, session)
            if row is not None and session not in self._keepers:
                await self.keep(row)

    async def _renew(self) -> None:
        held = [session for session, keeper in self._keepers.items() if keeper.holds_lease]
        if not held:
            return
        lease = self._core.settings.lease
        kept = await sessions.renew_leases(self._core.db, self._core.holder, held, lease)
        for session in held:
            keeper = self._keepers.get(session)
            if session not in kept and keeper is not None:
                keeper.holds_lease = False

    async def _pause_idle(self) -> None:
        timeout = self._core.settings.idle_timeout
        for tenant, session in await sessions.idle_since(self._core.db, timeout, BATCH):
            with suppress(lifecycle.SessionGone):
                await resting.pause_if_idle(self._core, tenant, session, self._hubs.get(session))

    async def _watch_runtime(self) -> None:
        while True:
            try:
                async for gone in self._core.runtime.watch():
                    log.info("worker_gone", worker_id=gone.worker_id, reason=gone.reason)
                    keeper = self._keepers.get(gone.session_id or "")
                    if keeper is not None:
                        keeper.worker_gone()
            except (RuntimeUnavailable, *DATABASE_AWAY) as error:
                log.warning("runtime_watch_lost", error=str(error))
            await asyncio.sleep(self._core.settings.poll)

    async def _on_announcement(self, session: str, head: int) -> None:
        hub = self._hubs.get(session)
        if hub is not None and head > hub.shown:
            await hub.catch_up(head)
            await self._wake(session, hub)

    async def _wake(self, session: str, hub: Hub) -> None:
        """A session that rested here and was written to elsewhere may need its worker again."""
        if session in self._keepers or not hub.watched:
            return
        row = await sessions.load(self._core.db, hub.tenant, session)
        if row is not None and row.fold.needs_worker:
            await self.keep(row)
