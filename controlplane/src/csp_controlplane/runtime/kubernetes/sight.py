"""What an AgentSession says to the control plane, and how one is written: pure functions.

The operator says where the session's pod is; the annotations say what the control plane wants of
it. A pod that is named as used up, or of a session that rests, is nobody's worker any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from csp_controlplane.runtime.protocol import WorkerRef
from csp_crds import names
from csp_crds.agent import AgentSpec
from csp_crds.agent_resource import agent_to_resource

Rest = Literal["idle", "suspended"]

REPLACED = f"{names.GROUP}/replaced"
"""On a resource that the control plane deletes in order to write it anew."""

LONGEST = "720h"


@dataclass(frozen=True, slots=True)
class Sight:
    """One AgentSession as the runtime sees it."""

    namespace: str
    name: str
    uid: str
    version: str
    from_api: bool
    worker: WorkerRef | None
    pod: str | None  # UID of the pod in the status, whatever became of it
    rest: Rest | None
    finished: str | None  # why it is over for good
    waiting: str | None  # why it has no pod yet
    waiting_reason: str
    replaced: bool
    deleting: bool


def sight_of(resource: dict[str, Any]) -> Sight:
    """Tolerates whatever a person wrote into the status by hand."""
    metadata = resource.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    labels = metadata.get("labels") or {}
    bound, finished = condition(resource, "Bound"), condition(resource, "Finished")
    rest: Rest | None = None
    if (resource.get("spec") or {}).get("suspend"):
        rest = "suspended"
    elif annotations.get(names.PAUSED) == "true":
        rest = "idle"
    pod = _pod(resource)
    over = finished.get("status") == "True"
    gone = over or rest or metadata.get("deletionTimestamp")
    used_up = pod is not None and annotations.get(names.RELEASE) == pod.get("uid")
    live = not gone and not used_up and bound.get("status") == "True"
    unbound = bound.get("status") == "False"
    return Sight(
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata.get("name", "")),
        uid=str(metadata.get("uid", "")),
        version=str(metadata.get("resourceVersion", "")),
        from_api=labels.get(names.ORIGIN) == names.ORIGIN_API
        and labels.get(names.SESSION_ID) == metadata.get("name"),
        worker=_worker(pod) if live else None,
        pod=str(pod["uid"]) if pod else None,
        rest=rest,
        finished=_sentence(finished) if over else None,
        waiting=_sentence(bound) if unbound else None,
        waiting_reason=str(bound.get("reason", "")) if unbound else "",
        replaced=annotations.get(REPLACED) == "true",
        deleting=bool(metadata.get("deletionTimestamp")),
    )


def condition(resource: dict[str, Any], kind: str) -> dict[str, Any]:
    """The condition of this type; empty when it is not there."""
    found = (resource.get("status") or {}).get("conditions") or ()
    matching = (item for item in found if isinstance(item, dict) and item.get("type") == kind)
    return next(matching, {})


def _pod(resource: dict[str, Any]) -> dict[str, Any] | None:
    pod = (resource.get("status") or {}).get("pod")
    return pod if isinstance(pod, dict) and pod.get("uid") else None


def _worker(pod: dict[str, Any] | None) -> WorkerRef | None:
    if pod is None or not pod.get("ip"):
        return None
    ip = str(pod["ip"])
    host = f"[{ip}]" if ":" in ip else ip
    endpoint = f"{host}:{names.WORKER_PORT}"
    return WorkerRef(str(pod["uid"]), endpoint, pod.get("start") == "warm")


def _sentence(found: dict[str, Any]) -> str:
    return str(found.get("message") or found.get("reason") or "No reason is given.")


def manifest(
    session_id: str,
    tenant: str,
    owner: str,
    spec: AgentSpec,
    *,
    namespace: str,
    pool: str,
    idle_timeout_s: float,
) -> dict[str, Any]:
    """The resource of a session that was made through the API."""
    name = names.resource_name(session_id)
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.SESSION_KIND,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {names.ORIGIN: names.ORIGIN_API, names.SESSION_ID: name},
        },
        "spec": {
            "poolRef": {"name": pool},
            "owner": owner or "csp",
            "tenant": tenant,
            "agent": agent_to_resource(spec),
            # The worker ends itself after limits.session_seconds and is replaced; the conversation
            # has no end of its own.
            "lifecycle": {
                "idleTimeout": f"{max(1, round(idle_timeout_s))}s",
                "maxLifetime": LONGEST,
            },
        },
    }


def session_of_name(name: str) -> str:
    """The inverse of csp_crds.names.resource_name: sesn-01abc is sesn_01ABC."""
    prefix, _, rest = name.partition("-")
    return f"{prefix}_{rest.upper()}"


def pool_report(name: str, pool: dict[str, Any]) -> dict[str, Any]:
    """An AgentPool in the form that readiness and metrics take from every runtime."""
    spec, status = pool.get("spec") or {}, pool.get("status") or {}
    stuck = condition(pool, "Unschedulable")
    profile = {
        "profile": name,
        "target": (spec.get("scaling") or {}).get("targetSpare", 0),
        "warm": status.get("warm", 0),
        "starting": status.get("starting", 0),
        "failing": stuck.get("status") == "True",
        "last_error": stuck.get("message"),
    }
    return {"profiles": [profile]}
