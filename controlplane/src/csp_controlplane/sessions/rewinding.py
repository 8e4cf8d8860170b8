"""Takes a session's working directory back to what it was before a message.

The checkpoint is chosen first, then the worker that has the directory is fenced and ended; the next
one starts from what was chosen. Whatever fails in between leaves a session that gets its files at
its next bind.
"""

from __future__ import annotations

from csp_controlplane.attach.attacher import Attacher
from csp_controlplane.attach.core import Core
from csp_controlplane.attach.lifecycle import SessionGone, decide_and_append
from csp_controlplane.attach.resting import release_worker
from csp_controlplane.domain import branching, rewinding
from csp_controlplane.domain.decisions import Decision
from csp_controlplane.domain.fold import Fold
from csp_controlplane.errors import Conflict, NotFound
from csp_controlplane.store import branches, checkpoints, sessions
from csp_controlplane.store.sessions import SessionRow

REASON = "files_taken_back"


async def take_files_back(core: Core, attacher: Attacher, row: SessionRow, to: str) -> None:
    """`to`: id of a user.message. Raises InvalidRequest, Conflict or NotFound."""
    rewinding.refuse_where_it_makes_no_sense(row.fold)
    marks = await branches.marks(core.db, row.tenant, row.month, row.id)
    cut = branching.cut_before(marks, to)
    found = await checkpoints.at(core.db, row.tenant, row.id, cut.events)
    if found is None:
        raise Conflict(
            "The files of that time are not kept any more: there is no checkpoint from before "
            "that message. Choose a later one."
        )
    await checkpoints.choose(core.db, row.tenant, row.id, found.id)
    binding = await sessions.live_binding(core.db, row.tenant, row.id)
    if binding is not None:
        await sessions.end_binding(core.db, row.tenant, row.id, binding.epoch, REASON)

    def decide(fold: Fold) -> Decision:
        rewinding.refuse_where_it_makes_no_sense(fold)
        return rewinding.files_taken_back(fold, to, found.saved_at, core.make)

    hub = attacher.known(row.id)
    try:
        await decide_and_append(core, row.tenant, row.id, decide, hub=hub)
    except SessionGone:
        raise NotFound("This session was deleted.") from None
    await release_worker(core, row.tenant, row.id, REASON)
    fresh = await sessions.load(core.db, row.tenant, row.id)
    if fresh is not None and not fresh.fold.at_rest:
        await attacher.keep(fresh)
