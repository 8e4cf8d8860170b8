"""What a session that begins as another one gets of its files, and what it is told where they are
older than its conversation.

A checkpoint belongs to a place in a log. One of the last turn may be on its way, or have failed;
then there is time for one more look, as long as the parent's worker rests. What was changed in a
turn that was not kept for itself is in no fork that ends there, and the fork says so.
"""

from __future__ import annotations

from csp_controlplane.attach import workspace
from csp_controlplane.attach.checkpoint import keeps
from csp_controlplane.attach.core import Core
from csp_controlplane.live.hub import Hub
from csp_controlplane.store import checkpoints, sessions
from csp_controlplane.store.sessions import SessionRow

LOOK_S = 10.0
"""A person waits for the fork."""


async def keep_parents_files(core: Core, parent: SessionRow) -> None:
    """As they are now, unless a turn is changing them."""
    if parent.fold.turn is not None:
        return
    binding = await sessions.live_binding(core.db, parent.tenant, parent.id)
    if binding is not None:
        hub = Hub(core.db, parent.tenant, parent.id, parent.month, parent.last_seq)
        await workspace.keep_now(core, hub, binding, LOOK_S)


async def older_files(core: Core, parent: SessionRow, until: int) -> str | None:
    """What to say of a session that has the parent's log up to this seq; None: nothing."""
    if not keeps(core):
        return None
    found = await checkpoints.at(core.db, parent.tenant, parent.id, until)
    since = found.checked_seq if found else 0
    if not await checkpoints.tool_used(core.db, parent.tenant, parent.id, since, until):
        return None
    if found is None:
        return "The files of that time were not kept: there are none here."
    return (
        f"The files are as they were at {found.saved_at:%Y-%m-%d %H:%M:%S} UTC: what was changed "
        "between then and the place where this branch begins was not kept for itself."
    )
