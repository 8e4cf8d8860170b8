"""What follows when a session's files are taken back to an earlier message: pure, over the fold.

The conversation stays as it is. A turn that runs is working on files that are about to change under
it, so it is interrupted; what is queued goes on with the files as they are then.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from csp_controlplane.domain import course
from csp_controlplane.domain.decisions import Decision, idle
from csp_controlplane.domain.events import EventFactory
from csp_controlplane.domain.fold import Fold
from csp_controlplane.errors import Conflict


def refuse_where_it_makes_no_sense(fold: Fold) -> None:
    """Raises Conflict in words for the person."""
    if fold.state == "completed":
        raise Conflict("This session has ended, so its files cannot be taken back. Fork it.")
    if fold.suspended:
        raise Conflict("This session is suspended. Take its files back when that has ended.")


def files_taken_back(
    fold: Fold, message_id: str, saved_at: datetime, make: EventFactory
) -> Decision:
    """The running turn's end, and the notice that says which files are there now."""
    events = course.interruption(fold, "files_taken_back", make)
    next_fold = fold
    if fold.turn is not None:
        next_fold = (
            replace(fold, turn=None, questions=())
            if fold.queue
            else fold.after("turn_ended", turn=None, questions=())
        )
    text = (
        "The files were taken back to what they were before an earlier message, kept at "
        f"{saved_at:%Y-%m-%d %H:%M:%S} UTC. The conversation is as it was."
    )
    events.append(course.say("files_taken_back", "info", text, make, {"message_id": message_id}))
    if fold.turn is not None and next_fold.state == "active":
        events.append(idle(next_fold, {"type": "end_turn"}, make))
    return Decision(next_fold, tuple(events))
