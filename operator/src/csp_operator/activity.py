"""Since when a session shows no activity, by the operator's own clock and its own eyes.

Times in resources were written by other machines. What counts here is only that something changed,
and when this process saw it; after a restart the count begins anew, so a session is at worst kept
too long.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from csp_crds.conditions import SessionCondition, find
from csp_operator.views import SessionView

_Signs = tuple[object, ...]


class Activity:
    """Fed with every view of a session."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[_Signs, float]] = {}

    def see(self, session: SessionView) -> None:
        signs = _signs(session)
        known = self._seen.get(session.uid)
        if known is None or known[0] != signs:
            self._seen[session.uid] = (signs, self._clock())

    def quiet_for(self, session: SessionView) -> float:
        """Seconds, of this very state."""
        self.see(session)
        return self._clock() - self._seen[session.uid][1]

    def forget(self, uid: str) -> None:
        self._seen.pop(uid, None)


def _signs(session: SessionView) -> _Signs:
    status = session.status
    turns = [
        (found.status, found.last_transition_time) if found else None
        for kind in (
            SessionCondition.READY,
            SessionCondition.TURN_ACTIVE,
            SessionCondition.AWAITING_APPROVAL,
        )
        for found in [find(status.conditions, kind)]
    ]
    return (status.last_activity, *turns, status.pod.uid if status.pod else None, session.paused)
