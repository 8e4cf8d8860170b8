"""Names that operator, control plane, chart and people share: group, labels, annotations.

A name stands here once, so that a label selector in one component and the label in another cannot
drift apart.
"""

from __future__ import annotations

GROUP = "sessionplane.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "csp"

SESSION_KIND, SESSION_PLURAL, SESSION_SHORT = "AgentSession", "agentsessions", "as"
POOL_KIND, POOL_PLURAL, POOL_SHORT = "AgentPool", "agentpools", "ap"

OPERATOR_MANAGER = "csp-operator"
"""Field manager of the operator, of phase, pod, rebinds, Bound, Suspended, Finished."""
CONTROL_PLANE_MANAGER = "csp-controlplane"
"""Field manager of the control plane's status writes."""

# Labels of pods
POOL = f"{GROUP}/pool"
STATE = f"{GROUP}/state"
TEMPLATE_HASH = f"{GROUP}/template-hash"
PROFILE = f"{GROUP}/profile"
SESSION_UID = f"{GROUP}/session-uid"
STATE_WARM = "warm"
STATE_CLAIMED = "claimed"

# Annotations of pods
SESSION_NAME = f"{GROUP}/session-name"
"""The AgentSession's name on a claimed pod, for people and log collectors."""

# Labels of AgentSessions
ORIGIN = f"{GROUP}/origin"
ORIGIN_API = "api"
SESSION_ID = f"{GROUP}/session-id"

# Annotations of AgentSessions, all written by the control plane
PAUSED = f"{GROUP}/paused"
"""`true`: nobody uses the session, so its pod is given back. Absent or anything else: it runs. The
operator writes it too, when idleTimeout is over; the control plane takes it away to wake."""
RELEASE = f"{GROUP}/release"
"""UID of a pod that is used up: it is deleted and another one claimed."""
FINISH = f"{GROUP}/finish"
"""A reason in CamelCase: the session is over, its pod goes and ttlAfterFinished starts."""

# Worker pods
WORKER_CONTAINER = "worker"
WORKER_PORT = 7443
WORKER_PORT_NAME = "grpc"
WORKER_HEALTH_SERVICE = "csp.worker.v1.Worker"


def resource_name(session_id: str) -> str:
    """The AgentSession name, and value of its session-id label, of a session made by the API."""
    return session_id.replace("_", "-").lower()
