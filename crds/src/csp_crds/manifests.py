"""The two CustomResourceDefinitions, as plain data; `make generate` writes them as YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from csp_crds import names
from csp_crds.pool import AgentPoolSpec, AgentPoolStatus
from csp_crds.schema import structural
from csp_crds.session import AgentSessionSpec, AgentSessionStatus


def _column(name: str, path: str, description: str, **more: Any) -> dict[str, Any]:
    kind = more.pop("type", "string")
    return {"name": name, "type": kind, "jsonPath": path, "description": description, **more}


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


_WIDE = {"priority": 1}
_SESSION_COLUMNS = (
    _column("Phase", ".status.phase", "One word for the operator's conditions."),
    _column("Ready", _condition("Ready", "status"), "Whether the agent takes messages."),
    _column("Turn", _condition("TurnActive", "status"), "Whether it is working."),
    _column("Owner", ".spec.owner", "Whose session it is."),
    _column("Age", ".metadata.creationTimestamp", "Since its creation.", type="date"),
    _column("Why", _condition("Ready", "reason"), "Why it is ready or not.", **_WIDE),
    _column("Bound", _condition("Bound", "reason"), "Why it has a pod or none.", **_WIDE),
    _column("Pool", ".spec.poolRef.name", "Where its pod comes from.", **_WIDE),
    _column("Pod", ".status.pod.name", "Its pod.", **_WIDE),
    _column("Start", ".status.pod.start", "How its pod came.", **_WIDE),
    _column("Cost", ".status.cost", "Spent, in US dollars.", **_WIDE),
    _column("Active", ".status.lastActivity", "The last turn's edge.", type="date", **_WIDE),
    _column("Session", ".status.sessionId", "Its id in the API.", **_WIDE),
    _column("Message", _condition("Ready", "message"), "The same in a sentence.", **_WIDE),
)
_POOL_COLUMNS = (
    _column("Warm", ".status.warm", "Pods that wait and are ready.", type="integer"),
    _column("Wanted", ".spec.scaling.targetSpare", "Pods that shall wait.", type="integer"),
    _column("Starting", ".status.starting", "Pods that are not ready yet.", type="integer"),
    _column("Claimed", ".status.claimed", "Pods that serve a session.", type="integer"),
    _column("Available", _condition("Available", "status"), "Whether a pod is there at once."),
    _column("Age", ".metadata.creationTimestamp", "Since its creation.", type="date"),
    _column("Updated", ".status.updated", "Waiting pods of the template.", type="integer", **_WIDE),
    _column("Why", _condition("Progressing", "reason"), "The reason of Progressing.", **_WIDE),
    _column(
        "Unschedulable", _condition("Unschedulable", "status"), "No node takes a pod.", **_WIDE
    ),
    _column("Image", ".spec.template.image", "Image of the worker.", **_WIDE),
)


def agent_session() -> dict[str, Any]:
    return _definition(
        names.SESSION_KIND,
        names.SESSION_PLURAL,
        names.SESSION_SHORT,
        "One Claude agent for one user, in a pod of its own while it is needed.",
        (AgentSessionSpec, AgentSessionStatus),
        _SESSION_COLUMNS,
        {"status": {}},
    )


def agent_pool() -> dict[str, Any]:
    scale = {
        "specReplicasPath": ".spec.scaling.targetSpare",
        "statusReplicasPath": ".status.warm",
        "labelSelectorPath": ".status.selector",
    }
    return _definition(
        names.POOL_KIND,
        names.POOL_PLURAL,
        names.POOL_SHORT,
        "Worker pods that wait, ready, until a session needs one.",
        (AgentPoolSpec, AgentPoolStatus),
        _POOL_COLUMNS,
        {"status": {}, "scale": scale},
    )


DEFINITIONS = (agent_session, agent_pool)


def _definition(
    kind: str,
    plural: str,
    short: str,
    description: str,
    models: tuple[type[BaseModel], type[BaseModel]],
    columns: Sequence[Mapping[str, Any]],
    subresources: Mapping[str, Any],
) -> dict[str, Any]:
    spec, status = models
    schema = {
        "type": "object",
        "description": description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "sessionplane.io/v1alpha1"},
            "kind": {"type": "string", "description": kind},
            "metadata": {"type": "object"},
            "spec": structural(spec),
            "status": structural(status),
        },
    }
    version = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": dict(subresources),
        "additionalPrinterColumns": [dict(column) for column in columns],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{names.GROUP}",
            "labels": {"app.kubernetes.io/part-of": "csp"},
        },
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": [names.CATEGORY],
            },
            "versions": [version],
        },
    }
