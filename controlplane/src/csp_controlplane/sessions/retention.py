"""Looks every hour for what has to go: sessions, and objects that could not be removed before.

Sessions that are older than they may become, and those whose erasure was begun and not finished.
Every gateway looks; the first one wins.
"""

from __future__ import annotations

import asyncio

import structlog

from csp_controlplane.attach.collecting import remove_doomed
from csp_controlplane.attach.core import Core
from csp_controlplane.attach.lifecycle import SessionGone
from csp_controlplane.errors import Unavailable
from csp_controlplane.runtime.protocol import RuntimeUnavailable
from csp_controlplane.sessions.erasure import Erasure
from csp_controlplane.store import audit, erasure, pieces, sessions
from csp_controlplane.store.database import DATABASE_AWAY
from csp_controlplane.store.objects import ObjectsAway

log = structlog.get_logger(__name__)

LOOK_S = 3600.0
BATCH = 100
AWAY = (*DATABASE_AWAY, RuntimeUnavailable, Unavailable)


class Retention:
    """See the module."""

    def __init__(self, core: Core, erasing: Erasure) -> None:
        self._core = core
        self._erasing = erasing

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.expired()
                await self.sweep()
            except DATABASE_AWAY as error:
                log.warning("retention_waits", error=str(error))
            except Exception:  # the next hour tries again
                log.exception("retention_failed")
            await asyncio.sleep(LOOK_S)

    async def expired(self) -> int:
        """Erases all sessions that are due; how many. One that cannot be is left to the next hour.

        Raises the database's errors.
        """
        days = self._core.settings.retention_days
        count = 0
        left: set[str] = set()
        while True:
            found = await erasure.due(self._core.db, days, BATCH + len(left))
            fresh = [one for one in found if one[1] not in left]
            if not fresh:
                return count
            for tenant, session in fresh:
                if await self._expire(tenant, session):
                    count += 1
                else:
                    left.add(session)

    async def sweep(self) -> None:
        """Removes doomed objects, of every lineage that has some. Raises the database's errors."""
        for tenant, lineage in await pieces.lineages_with_doomed(self._core.db):
            try:
                await remove_doomed(self._core, tenant, lineage)
            except ObjectsAway as error:
                log.warning("objects_not_removed", lineage=lineage, error=str(error))

    async def _expire(self, tenant: str, session: str) -> bool:
        db, days = self._core.db, self._core.settings.retention_days
        try:
            row = await sessions.load(db, tenant, session)
            if row is None:
                return False
            if await self._erasing.session(row, "retention") == "retention":
                data = {"days": days}
                await audit.record(db, tenant, "retention", "session.expire", session, data)
        except SessionGone:  # another gateway was faster
            return False
        except AWAY as error:
            log.warning("session_not_erased", session_id=session, error=str(error))
            return False
        except Exception:  # of this session alone, perhaps: the others go on
            log.exception("session_not_erased", session_id=session)
            return False
        return True
