"""For how long a session has had pods, which is what maxLifetime limits.

It begins with the first claim, because a session cannot help waiting for one, and a rest ends it.
A wait between two pods moves the beginning by its length, so that the session is not ended for
time in which it had nothing.
"""

from __future__ import annotations

from datetime import datetime

from csp_crds.conditions import SessionCondition, find
from csp_crds.session import AgentSessionStatus


def active_since(status: AgentSessionStatus, now: datetime) -> datetime:
    """When the session's time began, for one that has its pod now."""
    bound = find(status.conditions, SessionCondition.BOUND)
    had_pod = bound is not None and bound.status == "True"
    known = status.active_since
    if known is None:
        # What was written before the field was there knows at least this pod's time.
        return status.pod.since if had_pod and status.pod and status.pod.since else now
    if bound is None or had_pod:
        return known
    return min(now, known + (now - bound.last_transition_time))
