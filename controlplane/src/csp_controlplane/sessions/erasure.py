"""How what was kept goes again: one session, or everything of a person.

A session's row stays as a tombstone that says what it cost; nothing in it tells what was said. Its
files go first: as long as the object store cannot remove them, the session is there, and whoever
comes next (its owner, an administrator, `retention`) goes on with what was begun.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import structlog

from csp_controlplane.attach.attacher import Attacher
from csp_controlplane.attach.collecting import remove_doomed
from csp_controlplane.attach.core import Core
from csp_controlplane.attach.lifecycle import SessionGone, decide_and_append
from csp_controlplane.attach.resting import release_worker
from csp_controlplane.domain import course
from csp_controlplane.domain.principal import Principal
from csp_controlplane.errors import Conflict, NotFound, Unavailable
from csp_controlplane.live.frames import DELETED
from csp_controlplane.store import audit, erasure, session_views, sessions
from csp_controlplane.store.objects import ObjectsAway
from csp_controlplane.store.sessions import SessionRow

log = structlog.get_logger(__name__)

Why = Literal["asked", "retention"]


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

    async def session(self, row: SessionRow, why: Why = "asked") -> str:
        """Ends a session for good: worker, files, log, transcript and links. Can be repeated.

        Returns why it was begun. Raises SessionGone, or Unavailable when its files cannot be
        removed now.
        """
        core, hub = self._core, self._attacher.known(row.id)
        begun = await erasure.begin(core.db, row.tenant, row.id, why)
        await decide_and_append(
            core, row.tenant, row.id, lambda fold: course.finish(fold, core.make), hub=hub
        )
        await release_worker(core, row.tenant, row.id, "deleted", purge=True)
        await self._remove_files(row)
        await session_views.erase(core.db, row.tenant, row.id, row.month)
        await core.announce(row.id, row.last_seq + 1)
        if hub is not None:
            hub.close(DELETED, "This session was deleted.")
        return begun

    async def _remove_files(self, row: SessionRow) -> None:
        lineage = await erasure.doom_files(self._core.db, row.tenant, row.id)
        try:
            await remove_doomed(self._core, row.tenant, lineage)
        except ObjectsAway as error:
            log.warning("objects_not_removed", session_id=row.id, error=str(error))
            raise Unavailable(
                f"The files of the session {row.id} cannot be removed now: the object store that "
                "keeps them does not answer. The session stays in the list until they are gone. "
                "Do this again when the store is back; without that it is tried once an hour."
            ) from error

    async def person(self, who: Principal, user_id: str) -> Erased:
        """Erases a user of the caller's tenant and all that is theirs; leaves one audit line.

        Who may ask for it is the caller's business. Can be called again after a failure: what is
        gone already is not counted again. Raises NotFound, Conflict for oneself, or Unavailable.
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
