"""Removes from the object store what no checkpoint needs any more.

First it is doomed, in the database; then it is removed, as often as it takes. What a save may still
be writing when its session is erased is removed once more when no save can be under way any more.
"""

from __future__ import annotations

from csp_controlplane.attach.core import Core
from csp_controlplane.store import pieces

UNUSED_S = 3600.0
"""What was claimed within this time may belong to a save that is under way."""

AT_ONCE = 500


async def collect(core: Core, tenant: str, session: str) -> None:
    """Removes what no checkpoint of the session's lineage names. Raises ObjectsAway."""
    lineage = await pieces.lineage_of(core.db, tenant, session)
    async with core.db.tenant(tenant) as connection:
        await pieces.doom(connection, lineage, UNUSED_S)
    await remove_doomed(core, tenant, lineage)


async def remove_doomed(core: Core, tenant: str, lineage: str) -> None:
    """May be repeated, and run in several places at once. Raises ObjectsAway."""
    last = ""
    while keys := await pieces.doomed(core.db, tenant, lineage, last, AT_ONCE):
        await core.objects.delete(tenant, keys)
        await pieces.forget(core.db, tenant, keys, UNUSED_S)
        last = keys[-1]
