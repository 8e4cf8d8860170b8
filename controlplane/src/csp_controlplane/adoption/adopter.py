"""Makes sessions of AgentSessions, and lets each session follow what its resource says.

Level-triggered: every look compares what is with what should be, so a look may be repeated, missed,
or made by two gateways at once. A resource is a session's by its UID, which the database knows; no
label or status field that a person could write makes one somebody else's.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from csp_controlplane.adoption import judging
from csp_controlplane.adoption.birth import Birth
from csp_controlplane.adoption.coalescer import Coalescer
from csp_controlplane.adoption.endings import Endings
from csp_controlplane.adoption.reporter import Reporter
from csp_controlplane.attach import lifecycle
from csp_controlplane.runtime.kubernetes.api import Resource
from csp_controlplane.runtime.kubernetes.mirror import Change, Key
from csp_controlplane.runtime.kubernetes.runtime import KubernetesRuntime
from csp_controlplane.runtime.kubernetes.sight import Sight, condition, session_of_name, sight_of
from csp_controlplane.runtime.protocol import RuntimeUnavailable
from csp_controlplane.sessions.service import SessionService
from csp_controlplane.store import origins, sessions
from csp_controlplane.store.database import Database
from csp_controlplane.store.origins import Origin

log = structlog.get_logger(__name__)

WORKERS = 8
REFUSED_AGAIN_S = 60.0
"""An owner may be added, a namespace be mapped."""


class Adopter:
    """One per gateway; see the module."""

    def __init__(
        self, db: Database, service: SessionService, runtime: KubernetesRuntime, reporter: Reporter
    ) -> None:
        self._db = db
        self._service = service
        self._runtime = runtime
        self._reporter = reporter
        self._birth = Birth(db, service, runtime)
        self._endings = Endings(db, service, runtime)
        self._work: Coalescer[Key] = Coalescer("adopt", self._look, WORKERS)
        self._known: dict[str, Origin] = {}  # by the resource's UID
        self._followed: dict[str, tuple[object, ...]] = {}
        self._gone: Coalescer[str] = Coalescer("ended", self._look_gone, 2)
        self._last: dict[str, Resource] = {}

    async def run(self) -> None:
        """Until cancelled."""
        stop = self._runtime.mirror.listen(self._on_change)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._work.run(), name="adopter-work")
                group.create_task(self._gone.run(), name="adopter-gone")
                group.create_task(self._resync(), name="adopter-resync")
        finally:
            stop()

    async def _resync(self) -> None:
        """Looks at everything when the copy is complete, and again from time to time."""
        first = True
        period = self._runtime.settings.resync_seconds
        while True:
            with suppress(RuntimeUnavailable):
                await self._runtime.mirror.until_synced(period)
            self._followed.clear()
            for key, _ in self._runtime.mirror.all():
                self._work.mark(key)
            if first and self._runtime.mirror.synced:
                try:
                    await self._endings.vanished_while_away()
                    first = False
                except Exception:  # whatever it is, the next round tries again
                    log.exception("missing_resources_not_looked_for")
            await asyncio.sleep(period if self._runtime.mirror.synced else min(period, 1.0))

    def _on_change(self, change: Change) -> None:
        if change.after is None:
            if change.before is not None:
                uid = str(change.before["metadata"]["uid"])
                self._last[uid] = change.before
                self._gone.mark(uid)
            return
        self._work.mark(change.key)
        origin = self._known.get(str(change.after["metadata"]["uid"]))
        if origin is not None:
            self._reporter.edited(origin.tenant, origin.session, change.after)

    # ---- one resource

    async def _look(self, key: Key) -> float | None:
        resource = self._runtime.mirror.get(key)
        if resource is None:
            return None
        sight = sight_of(resource)
        origin = self._known.get(sight.uid) or await self._find(sight)
        if origin is None:
            if sight.from_api:
                await self._drop_orphan(sight)
                return None
            origin = await self._accept(key, resource)
            if origin is None:
                return REFUSED_AGAIN_S
        self._known[sight.uid] = origin
        if not sight.from_api:
            self._runtime.adopt(origin.session, key)
        await self._follow(origin, sight, resource)
        return None

    async def _find(self, sight: Sight) -> Origin | None:
        ids = [session_of_name(sight.name)] if sight.from_api else []
        found = await origins.sessions_of(self._db, [sight.uid], ids)
        return next(iter(sorted(found, key=lambda one: one.uid != sight.uid)), None)

    async def _accept(self, key: Key, resource: Resource) -> Origin | None:
        """The new session, or None when the resource is refused, which its status then says."""
        made = await self._birth.of(key, resource)
        if isinstance(made, judging.Refusal):
            log.info("refused", namespace=key[0], name=key[1], reason=made.reason)
            # The operator takes the pod away from a session that is not accepted.
            await self._reporter.refuse(key, made)
            return None
        log.info("adopted", namespace=key[0], name=key[1], session_id=made.session)
        return made

    async def _drop_orphan(self, sight: Sight) -> None:
        """The control plane wrote it for a session that does not exist (any more)."""
        log.warning("orphan_removed", namespace=sight.namespace, name=sight.name)
        await self._runtime.api.delete(sight.namespace, sight.name)

    async def _follow(self, origin: Origin, sight: Sight, resource: Resource) -> None:
        accepted = condition(resource, "Accepted").get("status") == "True"
        state = (sight.rest, sight.finished, accepted)
        if self._followed.get(sight.uid) == state:
            return
        row = await sessions.load(self._db, origin.tenant, origin.session)
        if row is None:
            self._known.pop(sight.uid, None)
            if not sight.deleting:
                await self._runtime.purge(origin.session)
                await self._runtime.api.delete(sight.namespace, sight.name)
            return
        if not accepted and not sight.from_api:
            await self._birth.say_prompt(origin, resource)
        await self._settle(origin, sight, row.fold.suspended)
        self._followed[sight.uid] = state
        self._reporter.changed(origin.tenant, origin.session)

    async def _settle(self, origin: Origin, sight: Sight, suspended: bool) -> None:
        tenant, session = origin.tenant, origin.session
        with suppress(lifecycle.SessionGone):
            if sight.finished and not sight.from_api:
                await self._service.resources.end(
                    tenant, session, f"The session has ended: {sight.finished}"
                )
            elif sight.rest == "suspended":
                await self._service.resources.suspend(tenant, session)
            elif suspended:
                await self._service.resources.resume(tenant, session)
            elif sight.rest == "idle":
                await self._service.resources.pause_if_idle(tenant, session)
            await self._service.resources.keep(tenant, session)

    # ---- one that is gone

    async def _look_gone(self, uid: str) -> float | None:
        resource = self._last.get(uid)
        if resource is None:
            return None
        sight = sight_of(resource)
        origin = self._known.get(uid) or await self._find(sight)
        if origin is not None and not sight.replaced:
            await self._endings.of(origin, sight)
            self._reporter.forget(origin.session)
        self._last.pop(uid, None)
        self._known.pop(uid, None)
        self._followed.pop(uid, None)
        return None
