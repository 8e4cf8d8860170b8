"""What the next worker's agent will not remember of what its last worker's agent said."""

from __future__ import annotations

from collections.abc import Sequence

from csp_controlplane.attach.core import Core
from csp_controlplane.attach.losses import Loss
from csp_controlplane.domain.remembering import Told, forgotten
from csp_controlplane.store.log import turns_since
from csp_controlplane.store.sessions import SessionRow

BOUND = ("worker_bound", "resumed")


async def turns_of_last_worker(core: Core, row: SessionRow, epoch: int) -> list[Told]:
    """Those since it was said that it is there: a gap is said once."""
    if epoch <= 1 or row.claude_session_id is None:
        return []
    return await turns_since(core.db, row.tenant, row.month, row.id, BOUND)


def gap(turns: Sequence[Told], lines: Sequence[tuple[str, str]]) -> list[Loss]:
    """`lines`: (subpath, entry) of the stored transcript."""
    lost = forgotten(turns, [entry for subpath, entry in lines if not subpath])
    if not lost:
        return []
    text = (
        "A part of the agent's memory was lost with the session's last worker: what is written "
        "above is in the log, but the agent does not remember all of it. Say again what it needs "
        "to know."
    )
    data = {"prompts": lost.prompts, "answers": lost.texts, "repaired": False}
    return [Loss("transcript_gap", text, data)]
