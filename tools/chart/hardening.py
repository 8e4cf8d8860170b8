"""What must hold for every pod of the chart: the `restricted` Pod Security Standard, and who may
hold which secret and which right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chart.rendering import Resource, Variant
from chart.workloads import Workload, workloads

_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
            "projected", "secret"}  # fmt: skip
API_USERS = frozenset({"gateway", "operator", "crds", "removal"})
"""Components that get a token for the API server."""
SECRETS: dict[str, frozenset[str]] = {
    "gateway": frozenset({"signing-key", "database", "redis"}),
    "model-proxy": frozenset({"model-api-key", "database", "redis"}),
    "migrate": frozenset({"database"}),
    "postgresql": frozenset({"database"}),
    "valkey": frozenset({"redis"}),
}
"""Which secrets a component may see. The API key is the model proxy's alone."""
# Values can name Secrets of the user's own; these are the ones that the variants name.
_PURPOSES = {
    "csp-signing-key": "signing-key",
    "csp-database": "database",
    "csp-database-addresses": "database",
    "csp-migrate": "database",
    "csp-redis": "redis",
    "csp-redis-address": "redis",
    "csp-model": "model-api-key",
    "csp-model-api-key": "model-api-key",
}


def problems(variant: Variant) -> Iterator[str]:
    """What a variant does that it must not do, in words."""
    for workload in workloads(variant.resources):
        found = [*_restricted(workload), *_secrets(workload), *_tokens(workload)]
        yield from (f"{workload.owner}: {problem}" for problem in found)
    yield from _rights(variant.resources)
    yield from _key_material(variant.resources)


def _restricted(workload: Workload) -> Iterator[str]:
    spec = workload.spec
    pod = spec.get("securityContext", {})
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield f"uses {name}"
    if not pod.get("runAsNonRoot") or pod.get("runAsUser", 0) == 0:
        yield "may run as root"
    if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= _VOLUMES:
            yield f"mounts {kinds - _VOLUMES}"
    for container in workload.containers:
        yield from (f"{container['name']}: {problem}" for problem in _container(container))


def _container(container: Mapping[str, Any]) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield "may gain privileges"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "keeps capabilities"
    if not context.get("readOnlyRootFilesystem"):
        yield "writes to its root file system"
    resources = container.get("resources", {})
    if "memory" not in resources.get("limits", {}) or "cpu" not in resources.get("requests", {}):
        yield "has no memory limit or no CPU request"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "takes a port of the node"


def _secrets(workload: Workload) -> Iterator[str]:
    used = {
        source["secretKeyRef"]["name"]
        for container in workload.containers
        for variable in container.get("env", [])
        if "secretKeyRef" in (source := variable.get("valueFrom", {}))
    }
    used |= {v["secret"]["secretName"] for v in workload.spec.get("volumes", []) if "secret" in v}
    for name in sorted(used):
        purpose = _PURPOSES.get(name, name)
        if purpose not in SECRETS.get(workload.component, frozenset()):
            yield f"sees the Secret {name}"


def _tokens(workload: Workload) -> Iterator[str]:
    may = workload.component in API_USERS
    if bool(workload.spec.get("automountServiceAccountToken", True)) != may:
        yield "gets a token for the API server" if not may else "gets no token for the API server"
    if workload.spec.get("enableServiceLinks", True):
        yield "gets every Service of its namespace as variables"


def _rights(resources: Sequence[Resource]) -> Iterator[str]:
    for role in resources:
        if role["kind"] not in ("Role", "ClusterRole"):
            continue
        name = f"{role['kind']}/{role['metadata']['name']}"
        for rule in role["rules"]:
            words = [*rule.get("apiGroups", []), *rule["resources"], *rule["verbs"]]
            if "*" in words:
                yield f"{name}: has a wildcard"
            if {"secrets", "pods/exec", "serviceaccounts/token"} & set(rule["resources"]):
                yield f"{name}: may use {rule['resources']}"
            if role["kind"] == "ClusterRole" and not rule.get("resourceNames"):
                yield f"{name}: holds in every namespace and names no resource"


def _key_material(resources: Sequence[Resource]) -> Iterator[str]:
    """A private JWK has a `d`; it belongs into a Secret."""
    for resource in resources:
        if resource["kind"] == "ConfigMap" and '"d":' in str(resource.get("data")):
            yield f"ConfigMap/{resource['metadata']['name']}: holds a private key"
