"""Whose session it is: the one place where a foreign session is answered as an unknown one."""

from __future__ import annotations

from csp_controlplane.domain.principal import Principal
from csp_controlplane.domain.records import SessionRecord
from csp_controlplane.errors import NotFound
from csp_controlplane.store import session_views, sessions
from csp_controlplane.store.database import Database
from csp_controlplane.store.sessions import SessionRow


async def own_row(db: Database, who: Principal, session_id: str) -> SessionRow:
    """What the core keeps of it. Raises NotFound for an unknown or foreign session."""
    row = await sessions.load(db, who.tenant, session_id)
    if row is None or row.owner != who.user_id:
        raise _not_found(session_id)
    return row


async def own_record(db: Database, who: Principal, session_id: str) -> SessionRecord:
    """What its owner is told of it. Raises NotFound for an unknown or foreign session."""
    record = await session_views.get(db, who.tenant, who.user_id, session_id)
    if record is None:
        raise _not_found(session_id)
    return record


def _not_found(session_id: str) -> NotFound:
    return NotFound(f"There is no session {session_id[:64]!r}, or it is not yours.")
