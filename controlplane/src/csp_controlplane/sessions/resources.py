"""What AgentSession resources may do to sessions, for whoever adopts them.

`tenant` has been checked by whoever found the session. Every method but `create` raises
lifecycle.SessionGone for a session that was deleted meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

import asyncpg

from csp_controlplane.attach import resting
from csp_controlplane.attach.attacher import Attacher
from csp_controlplane.attach.core import Core
from csp_controlplane.attach.lifecycle import decide_and_append
from csp_controlplane.attach.resting import release_worker
from csp_controlplane.domain import course, decisions
from csp_controlplane.domain.fold import Fold
from csp_controlplane.domain.principal import Principal
from csp_controlplane.sessions.inheriting import keep_parents_files, older_files
from csp_controlplane.store import origins, sessions
from csp_controlplane.store.sessions import NewSession
from csp_crds.agent import AgentSpec


class ResourceSessions:
    """Sessions as their resources see them."""

    def __init__(self, core: Core, attacher: Attacher) -> None:
        self._core = core
        self._attacher = attacher

    async def create(
        self,
        who: Principal,
        origin_uid: str,
        spec: AgentSpec,
        *,
        budget_microusd: int | None = None,
        resume_from: str | None = None,
    ) -> str:
        """The id of the session of a resource that somebody else wrote; made if need be.

        `resume_from`: the owner's session whose conversation and files it begins with.
        """
        now = self._core.make.now()
        new = NewSession(
            id=self._core.make.new_id("sesn"),
            month=now.date().replace(day=1),
            tenant=who.tenant,
            owner=who.user_id,
            agent={},
            spec=spec,
            agent_id=None,
            agent_version=None,
            environment_id=None,
            title=None,
            metadata={},
            fold=Fold(permission_mode=spec.permission_mode),
            origin_uid=origin_uid,
            budget_microusd=budget_microusd,
            resume_from=resume_from,
        )
        older = await self._inherited(who.tenant, resume_from) if resume_from else None
        try:
            await sessions.insert(self._core.db, new)
        except asyncpg.UniqueViolationError:  # another gateway was faster
            found = await origins.sessions_of(self._core.db, [origin_uid], [])
            return found[0].session
        if older is not None:

            def decide(fold: Fold) -> decisions.Decision:
                notice = course.say("workspace_restored", "warning", older, self._core.make)
                return decisions.Decision(fold, (notice,))

            await self._decide(who.tenant, new.id, decide)
        return new.id

    async def _inherited(self, tenant: str, parent: str) -> str | None:
        """The parent's files are kept; what there is to say if they could not be."""
        row = await sessions.load(self._core.db, tenant, parent)
        if row is None:
            return None
        await keep_parents_files(self._core, row)
        return await older_files(self._core, row, row.last_seq)

    async def suspend(self, tenant: str, session_id: str) -> None:
        """Raises lifecycle.SessionGone, as those below."""
        await resting.suspend(self._core, tenant, session_id, self._attacher.known(session_id))

    async def resume(self, tenant: str, session_id: str) -> None:
        """The end of a suspension."""
        await self._decide(tenant, session_id, lambda fold: course.resume(fold, self._core.make))

    async def pause_if_idle(self, tenant: str, session_id: str) -> bool:
        """Keeps the files and gives the worker back, if nobody needs it."""
        hub = self._attacher.known(session_id)
        return await resting.pause_if_idle(self._core, tenant, session_id, hub)

    async def rest(self, tenant: str, session_id: str, message: str) -> None:
        """Stops whatever runs and keeps everything; the next message wakes the session."""

        def decide(fold: Fold) -> decisions.Decision | None:
            return course.rest(fold, self._core.make, reason="worker_lost", message=message)

        if await self._decide(tenant, session_id, decide):
            await release_worker(self._core, tenant, session_id, "uninstalled")

    async def end(self, tenant: str, session_id: str, message: str) -> None:
        """The session is over; its log stays."""

        def decide(fold: Fold) -> decisions.Decision | None:
            return course.finish(fold, self._core.make, message)

        if await self._decide(tenant, session_id, decide):
            await release_worker(self._core, tenant, session_id, "ended")

    async def _decide(
        self, tenant: str, session_id: str, decide: Callable[[Fold], decisions.Decision | None]
    ) -> bool:
        hub = self._attacher.known(session_id)
        return await decide_and_append(self._core, tenant, session_id, decide, hub=hub)

    async def keep(self, tenant: str, session_id: str) -> None:
        """Makes sure that this gateway looks after the session, if it needs that."""
        row = await sessions.load(self._core.db, tenant, session_id)
        if row is not None and row.fold.needs_worker:
            await self._attacher.keep(row)
