"""Places in a gateway at which it can be made to die, or to stop: exactly there, as a signal would.

A place is armed by a file with its name in the gateway's directory; whoever reaches the place takes
the file away and signals itself. The product knows nothing of this: its functions are wrapped from
outside, in a process that the bench has started for that.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from csp_controlplane.attach import attachment
from csp_controlplane.live import hub
from csp_controlplane.store.appending import Appends
from csp_controlplane.store.log import FoldChange, WorkerBatch

MID_DELTA = "mid-delta"
COMMIT_ACK = "commit-ack"
ACK_SHOW = "ack-show"
BEFORE_APPEND = "before-append"
"""Stops instead, with facts in its hand; the taken file says whose they are."""

EARLY_N = 4


def install(directory: Path) -> None:
    """Wraps the functions that pass the places."""

    def reached(place: str, blow: signal.Signals = signal.SIGKILL, note: str | None = None) -> None:
        try:
            if note is not None and (directory / place).exists():
                (directory / place).write_text(note)
            (directory / place).rename(directory / f"{place}.hit")
        except FileNotFoundError:
            return
        os.kill(os.getpid(), blow)

    show = attachment.Attachment._show_previews

    def show_previews(self: Any, previews: Any) -> None:
        show(self, previews)
        if self._hub.previews.ids():
            reached(MID_DELTA)

    attachment.Attachment._show_previews = show_previews  # type: ignore[method-assign]
    append = Appends.append

    async def appending(
        self: Any, tenant: str, session: str, batch: WorkerBatch, change: FoldChange | None
    ) -> int | None:
        # Early facts: the next epoch is where they belong for as long as its CLI takes to start.
        # Without a fold of their own, since its version would protect them as well.
        if change is None and batch.first_n <= EARLY_N:
            note = f"{session} {batch.epoch} {batch.first_n}"
            reached(BEFORE_APPEND, signal.SIGSTOP, note)
        base = await append(self, tenant, session, batch, change)
        if base is not None:
            reached(COMMIT_ACK)
        return base

    Appends.append = appending  # type: ignore[method-assign]
    catch_up = hub.Hub.catch_up

    async def catching_up(self: Any, head: int | None = None) -> None:
        # Another gateway has committed and acknowledged, and here it has not been shown.
        if head is not None and head > self.shown and self.watched:
            reached(ACK_SHOW)
        await catch_up(self, head)

    hub.Hub.catch_up = catching_up  # type: ignore[method-assign]
