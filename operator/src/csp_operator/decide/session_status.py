"""The operator's part of an AgentSession's status, from a plan; and whether it must be written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from csp_crds import names
from csp_crds.conditions import OPERATOR_CONDITIONS, Condition, SessionCondition, find, renewed
from csp_crds.session import AgentSessionStatus, SessionPod, Start
from csp_operator.decide.lifetime import active_since
from csp_operator.decide.plan import Says, SessionPlan
from csp_operator.views import PodView, SessionView


def status_of(session: SessionView, plan: SessionPlan, now: datetime) -> AgentSessionStatus:
    """Only the fields that are the operator's."""

    def condition(kind: SessionCondition, says: Says) -> Condition:
        old = find(session.status.conditions, kind)
        return renewed(old, kind, says.status, says.reason, says.message, now, session.generation)

    return AgentSessionStatus(
        phase=plan.phase,
        observed_generation=session.generation,
        pod=_pod(session, plan.pod, now) if plan.pod else None,
        rebinds=plan.rebinds,
        active_since=_active_since(session, plan, now),
        conditions=(
            condition(SessionCondition.BOUND, plan.bound),
            condition(SessionCondition.SUSPENDED, plan.suspended),
            condition(SessionCondition.FINISHED, plan.finished),
        ),
    )


def is_written(session: SessionView, status: AgentSessionStatus) -> bool:
    """Whether the resource already says it, message for message."""
    present = session.status
    ours = tuple(find(present.conditions, kind) for kind in OPERATOR_CONDITIONS)
    return (
        present.phase == status.phase
        and present.observed_generation == status.observed_generation
        and present.pod == status.pod
        and (present.rebinds or 0) == (status.rebinds or 0)
        and present.active_since == status.active_since
        and ours == status.conditions
    )


def apply_body(session: SessionView, status: AgentSessionStatus) -> dict[str, Any]:
    """For a server-side apply. The uid makes it fail on a namesake of a session that is gone."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.SESSION_KIND,
        "metadata": {
            "name": session.name,
            "namespace": session.namespace,
            "uid": session.uid,
        },
        "status": status.to_resource(),
    }


def start_of(session: SessionView, pod: PodView) -> Start:
    """How this pod came to be the session's, from what the pod itself says."""
    known = session.status.pod
    if known is not None and known.uid == pod.uid:
        return known.start
    if pod.name.startswith(cold_prefix(session)):
        return "cold"
    return "warm" if pod.profile == session.profile else "warm_partial"


def cold_prefix(session: SessionView) -> str:
    """Pods that are made for a session begin like this."""
    return f"{session.name[:40].rstrip('-.')}-{session.uid[:8]}-"


def _active_since(session: SessionView, plan: SessionPlan, now: datetime) -> datetime | None:
    if plan.suspended.status == "True":
        return None
    if plan.phase == "Bound":
        return active_since(session.status, now)
    return session.status.active_since


def _pod(session: SessionView, pod: PodView, now: datetime) -> SessionPod:
    known = session.status.pod
    same = known is not None and known.uid == pod.uid
    return SessionPod(
        name=pod.name,
        uid=pod.uid,
        ip=pod.ip,
        since=known.since if same and known and known.since else now,
        start=start_of(session, pod),
    )
