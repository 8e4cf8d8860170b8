"""Views of pods and sessions with everything usual filled in, for tables of decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from csp_crds import names
from csp_crds.conditions import Condition, Status
from csp_crds.pool import AgentPoolSpec, AgentPoolStatus
from csp_crds.session import AgentSessionSpec, AgentSessionStatus, SessionPod
from csp_operator.views import PodView, PoolView, SessionView

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def pod_view(uid: str = "p1", **changes: Any) -> PodView:
    """A warm pod, ready since a minute."""
    values: dict[str, Any] = {
        "namespace": "ns",
        "name": f"pod-{uid}",
        "uid": uid,
        "version": 1,
        "pool": "default",
        "state": names.STATE_WARM,
        "session_uid": None,
        "session_name": None,
        "ours": True,
        "template_hash": "new",
        "profile": "profile",
        "owner_kind": names.POOL_KIND,
        "owner_uid": "pool-uid",
        "phase": "Running",
        "ready": True,
        "ready_since": ago(60),
        "was_ready": True,
        "ip": "10.0.0.1",
        "addresses": frozenset({"10.96.0.1", "10.96.0.2"}),
        "deleting": False,
        "created": ago(70),
        "trouble": None,
        "ending": None,
    }
    return PodView(**(values | changes))


def starting_pod(uid: str, **changes: Any) -> PodView:
    """A warm pod that is not ready yet."""
    fresh = {"ready": False, "was_ready": False, "ip": None, "phase": "Pending"}
    return pod_view(uid, **(fresh | changes))


def claimed_pod(uid: str = "p1", **changes: Any) -> PodView:
    """A ready pod of the session below."""
    claimed = {
        "state": names.STATE_CLAIMED,
        "session_uid": "session-uid",
        "session_name": "s",
        "owner_kind": names.SESSION_KIND,
        "owner_uid": "session-uid",
    }
    return pod_view(uid, **(claimed | changes))


def condition(kind: str, status: Status, reason: str = "Because", since: float = 0) -> Condition:
    """A condition that has been so for `since` seconds."""
    return Condition(type=kind, status=status, reason=reason, last_transition_time=ago(since))


def named(uid: str = "p1", since: float = 60) -> SessionPod:
    """The status entry of a pod that has served for `since` seconds."""
    return SessionPod(name=f"pod-{uid}", uid=uid, ip="10.0.0.1", start="warm", since=ago(since))


def session_view(
    spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **changes: Any
) -> SessionView:
    parsed = AgentSessionSpec.model_validate({"owner": "ada@example.com", **(spec or {})})
    values: dict[str, Any] = {
        "namespace": "ns",
        "name": "s",
        "uid": "session-uid",
        "version": 1,
        "generation": 1,
        "created": ago(100),
        "deleting": False,
        "paused": False,
        "release": None,
        "finish": None,
        "spec": parsed,
        "profile": parsed.agent.spawn_profile(),
        "status": AgentSessionStatus(**(status or {})),
        "invalid": None,
    }
    return SessionView(**(values | changes))


def pool_view(conditions: tuple[Condition, ...] = ()) -> PoolView:
    return PoolView(
        namespace="ns",
        name="default",
        uid="pool-uid",
        version=1,
        generation=1,
        deleting=False,
        spec=AgentPoolSpec.model_validate({"template": {"image": "i"}}),
        status=AgentPoolStatus(conditions=conditions),
        invalid=None,
    )
