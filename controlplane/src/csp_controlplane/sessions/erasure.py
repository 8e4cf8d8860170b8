"""How what was kept goes again: one session, everything of a person, what is older than allowed.

A session's row stays as a tombstone that says what it cost; nothing in it tells what was said.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from csp_controlplane.attach import checkpoint
from csp_controlplane.attach.attacher import Attacher
from csp_controlplane.attach.core import Core
from csp_controlplane.attach.lifecycle import SessionGone, decide_and_append, release_worker
from csp_controlplane.domain import course
from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import Conflict, NotFound
from csp_controlplane.live.frames import DELETED
from csp_controlplane.runtime.protocol import RuntimeUnavailable
from csp_controlplane.store import audit, erasure, session_views, sessions
from csp_controlplane.store.database import DATABASE_AWAY
from csp_controlplane.store.sessions import SessionRow

log = structlog.get_logger(__name__)

LOOK_S = 3600.0
BATCH = 100


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure removed, in numbers."""

    sessions: int
    files: int
    keys: int


class Erasure:
    """See the module."""

    def __init__(self, core: Core, attacher: Attacher) -> None:
        self._core = core
        self._attacher = attacher

    async def session(self, row: SessionRow) -> None:
        """Ends a session for good: worker, files, log, transcript and links."""
        core, hub = self._core, self._attacher.known(row.id)
        await decide_and_append(
            core, row.tenant, row.id, lambda fold: course.finish(fold, core.make), hub=hub
        )
        await release_worker(core, row.tenant, row.id, "deleted", purge=True)
        await session_views.erase(core.db, row.tenant, row.id, row.month)
        await checkpoint.collect(core, row.tenant, row.id, 0)
        await core.announce(row.id, row.last_seq + 1)
        if hub is not None:
            hub.close(DELETED, "This session was deleted.")

    async def person(self, who: Principal, user_id: str) -> Erased:
        """Erases a user of the caller's tenant and all that is theirs; leaves one audit line.

        Who may ask for it is the caller's business. Can be called again after a failure: what is
        gone already is not counted again. Raises NotFound, or Conflict for oneself.
        """
        if user_id == who.user_id:
            raise Conflict("Nobody erases themselves: another administrator has to do it.")
        db = self._core.db
        if not await erasure.lock_out(db, who.tenant, user_id):
            raise NotFound(f"There is no user {user_id[:64]!r}.")
        count = 0
        for session_id in await erasure.sessions_of(db, who.tenant, user_id):
            row = await sessions.load(db, who.tenant, session_id)
            if row is None:
                continue
            try:
                await self.session(row)
            except SessionGone:
                continue
            count += 1
        files, keys = await erasure.person(db, who.tenant, user_id)
        erased = Erased(count, files, keys)
        numbers = {"sessions": count, "files": files, "keys": keys}
        await audit.record(db, who.tenant, who.user_id, "person.erase", user_id, numbers)
        return erased

    async def expired(self) -> int:
        """Deletes sessions that are older than the retention; how many."""
        days = self._core.settings.retention_days
        count = 0
        for tenant, session_id in await erasure.older_than(self._core.db, days, BATCH):
            row = await sessions.load(self._core.db, tenant, session_id)
            if row is None:
                continue
            try:
                await self.session(row)
            except SessionGone:  # another gateway was faster
                continue
            data = {"days": days}
            await audit.record(
                self._core.db, tenant, "retention", "session.expire", session_id, data
            )
            count += 1
        return count

    async def run(self) -> None:
        """Until cancelled: looks every hour, if there is a retention at all."""
        if not self._core.settings.retention_days:
            return
        while True:
            try:
                while await self.expired():
                    pass
            except (*DATABASE_AWAY, RuntimeUnavailable) as error:
                log.warning("retention_waits", error=str(error))
            except Exception:  # the next hour tries again
                log.exception("retention_failed")
            await asyncio.sleep(LOOK_S)
