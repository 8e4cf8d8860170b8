"""The pods of a rendered chart, the ones that the operator makes included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chart.network import Endpoint
from chart.rendering import NAMESPACE, Resource
from csp_crds import names

_TEMPLATED = ("Deployment", "StatefulSet", "Job", "DaemonSet")


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of pod."""

    owner: str
    """As in Deployment/csp-gateway."""
    namespace: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]

    @property
    def component(self) -> str:
        return self.labels.get("app.kubernetes.io/component", "")

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def endpoint(self) -> Endpoint:
        ports = {
            port["name"]: port["containerPort"]
            for container in self.containers
            for port in container.get("ports", [])
        }
        return Endpoint(self.component, self.namespace, self.labels, ports)


def workloads(resources: Sequence[Resource]) -> Iterator[Workload]:
    """Of everything that makes pods."""
    for resource in resources:
        kind, metadata = resource["kind"], resource["metadata"]
        owner = f"{kind}/{metadata['name']}"
        namespace = metadata.get("namespace", NAMESPACE)
        if kind == "Pod":
            yield Workload(owner, namespace, metadata.get("labels", {}), resource["spec"])
        elif kind in _TEMPLATED:
            template = resource["spec"]["template"]
            labels = template["metadata"].get("labels", {})
            yield Workload(owner, namespace, labels, template["spec"])


def workers(resources: Sequence[Resource]) -> list[Endpoint]:
    """The pods that the operator makes for each pool, as their labels say."""
    return [
        Endpoint(
            "worker" if pool["metadata"]["namespace"] == NAMESPACE else "worker of another tenant",
            pool["metadata"]["namespace"],
            {names.POOL: pool["metadata"]["name"], names.STATE: names.STATE_WARM},
            {names.WORKER_PORT_NAME: names.WORKER_PORT},
        )
        for pool in resources
        if pool["kind"] == names.POOL_KIND
    ]
