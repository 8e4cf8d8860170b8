"""What befalls a session as a whole: its worker comes and goes, it rests, it ends. Pure.

The other decisions, about what people and workers say in it, are in `decisions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from csp_controlplane.domain.decisions import Decision, idle
from csp_controlplane.domain.events import EventFactory, NewEvent
from csp_controlplane.domain.fold import Fold


def bound(fold: Fold, data: dict[str, Any], make: EventFactory) -> Decision | None:
    """A worker was bound. After trouble, says that the session is there again.

    None when the session was put to rest while its worker was being prepared.
    """
    if fold.at_rest:
        return None
    recovered = fold.state in ("error", "paused")
    text = "The session is back." if recovered else "The session is ready."
    notice = say("resumed" if recovered else "worker_bound", "info", text, make, data)
    next_fold = fold if fold.state == "running" else fold.after("bound")
    events = [notice]
    if fold.state == "error" and not fold.queue:
        events.append(idle(next_fold, {"type": "end_turn"}, make))
    return Decision(next_fold, tuple(events))


def bound_and_not_said(fold: Fold, data: dict[str, Any], make: EventFactory) -> Decision | None:
    """The bound worker is at work, and whoever bound it has not lived to say so.

    None when it has been said.
    """
    return None if fold.state in ("active", "running") else bound(fold, data, make)


def bind_failed(fold: Fold, message: str, make: EventFactory) -> Decision | None:
    """No worker could be had; the session keeps trying and says why, once per reason.

    None when the session was put to rest meanwhile: nobody waits for one.
    """
    if fold.at_rest:
        return None
    error = {
        "type": "unknown_error",
        "message": message,
        "retry_status": {"type": "retrying"},
    }
    next_fold = fold.after("bind_failed")
    return Decision(next_fold, (make.make("session.error", {"error": error}),))


def worker_lost(
    fold: Fold, message: str, partial: Sequence[dict[str, str]], make: EventFactory
) -> Decision:
    """The epoch ended without being asked to: its turn is interrupted, its questions expire."""
    events = interruption(fold, "worker_lost", make, partial)
    next_fold = fold if fold.state == "completed" else fold.after("worker_lost")
    next_fold = replace(next_fold, turn=None, questions=())
    events.append(say("worker_lost", "warning", message, make))
    events.append(make.make("session.status_rescheduled", {"state": next_fold.state}))
    return Decision(next_fold, tuple(events))


def pause(fold: Fold, make: EventFactory) -> Decision | None:
    """Gives the worker back while nobody needs it. None when somebody does."""
    if fold.state != "active" or fold.queue or fold.turn:
        return None
    text = "The session rests after a time without use. Send a message to go on."
    return Decision(fold.after("paused"), (say("paused", "info", text, make),))


def rest(
    fold: Fold,
    make: EventFactory,
    *,
    reason: str = "session_archived",
    message: str = "The session was archived.",
) -> Decision | None:
    """The session was put away: a running turn is interrupted, queued messages are cancelled."""
    if fold.state in ("completed", "paused") and not fold.queue:
        return None
    events = interruption(fold, reason, make)
    events += [make.make("user.message_cancel", {"message_id": m.id}) for m in fold.queue]
    next_fold = fold.after("rested", turn=None, questions=(), queue=())
    events.append(say("paused", "info", message, make))
    events.append(idle(next_fold, {"type": "end_turn"}, make))
    return Decision(next_fold, tuple(events))


def suspend(fold: Fold, make: EventFactory) -> Decision | None:
    """Its owner stops it: a running turn is interrupted, what is queued waits, nothing is taken."""
    if fold.suspended or fold.state == "completed":
        return None
    events = interruption(fold, "session_suspended", make)
    next_fold = fold.after("rested", turn=None, questions=(), suspended=True)
    text = "The session was suspended. It goes on when that has ended."
    events.append(say("suspended", "info", text, make))
    events.append(idle(next_fold, {"type": "end_turn"}, make))
    return Decision(next_fold, tuple(events))


def resume(fold: Fold, make: EventFactory) -> Decision | None:
    """The end of a suspension: what was queued goes on."""
    if not fold.suspended:
        return None
    text = "The session is no longer suspended. Send a message to go on."
    next_fold = replace(fold, suspended=False)
    return Decision(next_fold, (say("unsuspended", "info", text, make),))


def finish(fold: Fold, make: EventFactory, message: str | None = None) -> Decision:
    """The session ends for good; a running turn is interrupted. `message`: why, for a person."""
    if fold.state == "completed":
        return Decision(fold)
    events = interruption(fold, "session_ended", make)
    if message is not None:
        events.append(say("session_ended", "info", message, make))
    next_fold = fold.after("finished", turn=None, questions=(), queue=())
    events.append(make.make("session.status_terminated", {"state": next_fold.state}))
    return Decision(next_fold, tuple(events))


def say(
    code: str, level: str, message: str, make: EventFactory, data: dict[str, Any] | None = None
) -> NewEvent:
    """A notice that changes nothing."""
    fields = {"code": code, "level": level, "message": message, "data": data or {}}
    return make.make("session.notice", fields)


def interruption(
    fold: Fold, reason: str, make: EventFactory, partial: Sequence[dict[str, str]] = ()
) -> list[NewEvent]:
    """The end of the running turn, if there is one."""
    if fold.turn is None:
        return []
    end = {
        "outcome": "interrupted",
        "reason": reason,
        "turn_start_id": fold.turn.id,
        "message_ids": list(fold.turn.message_ids),
        "partial": list(partial),
    }
    return [make.make("span.turn_end", end)]
