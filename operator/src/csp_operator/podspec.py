"""The pod of a worker: what the pool asks for, and everything that no pool may weaken.

A pod meets the restricted Pod Security Standard, has no token, resolves no names and reaches two
addresses by name: the model proxy and the egress proxy.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from csp_crds import names
from csp_crds.pool import AgentPoolSpec, PodTemplate
from csp_operator.views import PoolView, SessionView

MODEL_PROXY, EGRESS_PROXY = "csp-model-proxy", "csp-egress-proxy"
MODEL_PORT, EGRESS_PORT = 8402, 3128
USER = 10001
GRACE_S = 45
"""Of a worker: its turn, what is written of it, and the files (CSP_WORKER_GRACE_SECONDS,
CSP_WORKER_FILES_SECONDS)."""
_LOST_NODE_S = 15
_HOME, _WORKSPACE, _KEYS = "/var/lib/csp", "/workspace", "/etc/csp/keys"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What pods of every pool share, from the operator's settings and the Services."""

    model_proxy: str  # address
    egress_proxy: str | None
    keys_config_map: str

    @property
    def addresses(self) -> frozenset[str]:
        return frozenset(filter(None, (self.model_proxy, self.egress_proxy)))


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A pod without name, owner and session, and the hash that tells it from an older one."""

    spec: dict[str, Any]
    labels: dict[str, str]
    annotations: dict[str, str]
    hash: str
    profile: str


def blueprint(pool: AgentPoolSpec, surroundings: Surroundings) -> Blueprint:
    spec = _pod_spec(pool, surroundings)
    template = pool.template
    content = [spec, template.pod_labels, template.pod_annotations]
    raw = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return Blueprint(
        spec=spec,
        labels=dict(template.pod_labels),
        annotations=dict(template.pod_annotations),
        hash=hashlib.sha256(raw).hexdigest()[:12],
        profile=pool.profile.spawn_profile(),
    )


def warm_pod(pool: PoolView, plan: Blueprint, name: str) -> dict[str, Any]:
    """A pod that waits in the pool."""
    labels = _labels(plan, pool.name, names.STATE_WARM)
    owner = owner_reference(names.POOL_KIND, pool.name, pool.uid)
    return _pod(plan, name, pool.namespace, labels, {}, owner)


def cold_pod(session: SessionView, pool: PoolView, plan: Blueprint, name: str) -> dict[str, Any]:
    """A pod that is the session's from its first moment."""
    labels = _labels(plan, pool.name, names.STATE_CLAIMED)
    labels[names.SESSION_UID] = session.uid
    notes = {names.SESSION_NAME: session.name}
    return _pod(plan, name, session.namespace, labels, notes, session_owner(session))


def session_owner(session: SessionView) -> dict[str, Any]:
    return owner_reference(names.SESSION_KIND, session.name, session.uid)


def owner_reference(kind: str, name: str, uid: str) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        # True would need the right to change finalizers of the owner.
        "blockOwnerDeletion": False,
    }


def _labels(plan: Blueprint, pool: str, state: str) -> dict[str, str]:
    return {
        **plan.labels,
        "app.kubernetes.io/name": "csp-worker",
        "app.kubernetes.io/component": "worker",
        "app.kubernetes.io/part-of": "csp",
        "app.kubernetes.io/managed-by": names.OPERATOR_MANAGER,
        names.POOL: pool,
        names.STATE: state,
        names.TEMPLATE_HASH: plan.hash,
        names.PROFILE: plan.profile,
    }


def _pod(
    plan: Blueprint,
    name: str,
    namespace: str,
    labels: dict[str, str],
    notes: dict[str, str],
    owner: dict[str, Any],
) -> dict[str, Any]:
    annotations = {
        **plan.annotations,
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        **notes,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner],
        },
        "spec": plan.spec,
    }


def _pod_spec(pool: AgentPoolSpec, surroundings: Surroundings) -> dict[str, Any]:
    template = pool.template
    spec: dict[str, Any] = {
        "containers": [_container(pool, surroundings)],
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_S,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostAliases": _aliases(surroundings),
        # Names resolve nowhere: a resolver would be a way out that no allow list sees.
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["127.0.0.1"]},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "tolerations": [*template.tolerations, *_leave_lost_nodes()],
        "volumes": [
            {"name": "keys", "configMap": {"name": surroundings.keys_config_map}},
            {"name": "home", "emptyDir": {"sizeLimit": str(template.home_size)}},
            {"name": "workspace", "emptyDir": {"sizeLimit": str(template.workspace_size)}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
        ],
    }
    return spec | _placement(template)


def _placement(template: PodTemplate) -> dict[str, Any]:
    wanted = {
        "imagePullSecrets": [{"name": item.name} for item in template.image_pull_secrets],
        "runtimeClassName": template.runtime_class_name,
        "nodeSelector": template.node_selector,
        "affinity": template.affinity,
        "priorityClassName": template.priority_class_name,
    }
    return {key: value for key, value in wanted.items() if value}


def _leave_lost_nodes() -> list[dict[str, Any]]:
    """Without these a pod stays five minutes on a node that is gone, and its session with it."""
    return [
        {
            "key": f"node.kubernetes.io/{what}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": _LOST_NODE_S,
        }
        for what in ("not-ready", "unreachable")
    ]


def _aliases(surroundings: Surroundings) -> list[dict[str, Any]]:
    by_address: dict[str, list[str]] = {surroundings.model_proxy: [MODEL_PROXY]}
    if surroundings.egress_proxy:
        by_address.setdefault(surroundings.egress_proxy, []).append(EGRESS_PROXY)
    return [{"ip": ip, "hostnames": hosts} for ip, hosts in by_address.items()]


def _container(pool: AgentPoolSpec, surroundings: Surroundings) -> dict[str, Any]:
    template = pool.template
    container: dict[str, Any] = {
        "name": names.WORKER_CONTAINER,
        "image": template.image,
        "env": _environment(pool, surroundings),
        "ports": [{"name": names.WORKER_PORT_NAME, "containerPort": names.WORKER_PORT}],
        "readinessProbe": {
            "grpc": {"port": names.WORKER_PORT, "service": names.WORKER_HEALTH_SERVICE},
            "periodSeconds": 5,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "startupProbe": {
            "grpc": {"port": names.WORKER_PORT, "service": names.WORKER_HEALTH_SERVICE},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 180,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "keys", "mountPath": _KEYS, "readOnly": True},
            {"name": "home", "mountPath": _HOME},
            {"name": "workspace", "mountPath": _WORKSPACE},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a directory of the pod
        ],
    }
    resources = {
        key: value for key, value in template.resources.model_dump(mode="json").items() if value
    }
    if resources:
        container["resources"] = resources
    if template.image_pull_policy:
        container["imagePullPolicy"] = template.image_pull_policy
    return container


def _environment(pool: AgentPoolSpec, surroundings: Surroundings) -> list[dict[str, Any]]:
    values = {
        "CSP_WORKER_LISTEN": f"0.0.0.0:{names.WORKER_PORT}",
        "CSP_WORKER_JWKS_FILE": f"{_KEYS}/jwks.json",
        "CSP_WORKER_HOME": _HOME,
        "CSP_WORKER_WORKSPACE_ROOT": _WORKSPACE,
        "CSP_WORKER_MODEL_BASE_URL": f"http://{MODEL_PROXY}:{MODEL_PORT}",
        "CSP_WORKER_AGENT_JSON": pool.profile.model_dump_json(exclude_none=True),
        "NO_PROXY": f"localhost,127.0.0.1,::1,{MODEL_PROXY}",
    }
    if surroundings.egress_proxy:
        proxy = f"http://{EGRESS_PROXY}:{EGRESS_PORT}"
        values |= {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy}
    # Programs disagree about the case of these names; curl reads http_proxy in lower case only.
    lower = {name.lower(): text for name, text in values.items() if name.endswith("_PROXY")}
    identity = {
        "name": "CSP_WORKER_ID",
        "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}},
    }
    return [identity, *({"name": k, "value": v} for k, v in (values | lower).items())]
