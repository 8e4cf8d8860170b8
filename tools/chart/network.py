"""What network policies allow, computed as the Kubernetes API defines it.

A pod that no policy selects is open in that direction; one that some select may do what any of them
allows. A connection needs both ends. Addresses outside the cluster have no policy of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Literal

Direction = Literal["Ingress", "Egress"]
NAMESPACE_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A pod, or an address outside the cluster."""

    name: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    address: str = ""

    @property
    def is_pod(self) -> bool:
        return not self.address


@dataclass(frozen=True, slots=True)
class Target:
    """A port of an endpoint."""

    endpoint: Endpoint
    port: int
    protocol: str = "TCP"


def allowed(policies: Sequence[Mapping[str, Any]], source: Endpoint, target: Target) -> bool:
    """Whether a connection may come about."""
    there = target.endpoint
    out = not source.is_pod or _passes(policies, "Egress", source, there, target)
    into = not there.is_pod or _passes(policies, "Ingress", there, source, target)
    return out and into


def selecting(
    policies: Iterable[Mapping[str, Any]], direction: Direction, pod: Endpoint
) -> list[Mapping[str, Any]]:
    """The policies that govern this pod in this direction."""
    return [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == pod.namespace
        and direction in policy["spec"]["policyTypes"]
        and matches(policy["spec"]["podSelector"], pod.labels)
    ]


def _passes(
    policies: Sequence[Mapping[str, Any]],
    direction: Direction,
    own: Endpoint,
    peer: Endpoint,
    target: Target,
) -> bool:
    governing = selecting(policies, direction, own)
    if not governing:
        return True
    key, side = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    return any(
        _peer(rule.get(side), policy["metadata"]["namespace"], peer)
        and _port(rule.get("ports"), target)
        for policy in governing
        for rule in policy["spec"].get(key) or []
    )


def _peer(peers: Sequence[Mapping[str, Any]] | None, namespace: str, peer: Endpoint) -> bool:
    return not peers or any(_one_peer(one, namespace, peer) for one in peers)


def _one_peer(one: Mapping[str, Any], namespace: str, peer: Endpoint) -> bool:
    if "ipBlock" in one:
        # Whether a block covers pods is up to the plugin: here it covers addresses only, and a rule
        # for pods must name them.
        return not peer.is_pod and _in_block(one["ipBlock"], peer.address)
    if not peer.is_pod:
        return False
    namespaces = one.get("namespaceSelector")
    if namespaces is None:
        there = peer.namespace == namespace
    else:
        there = matches(namespaces, {NAMESPACE_LABEL: peer.namespace})
    return there and matches(one.get("podSelector") or {}, peer.labels)


def _in_block(block: Mapping[str, Any], address: str) -> bool:
    inside = ip_address(address) in ip_network(block["cidr"])
    return inside and not any(
        ip_address(address) in ip_network(hole) for hole in block.get("except") or []
    )


def _port(ports: Sequence[Mapping[str, Any]] | None, target: Target) -> bool:
    if not ports:
        return True
    for port in ports:
        if port.get("protocol", "TCP") != target.protocol:
            continue
        number = port.get("port")
        if isinstance(number, str):
            number = target.endpoint.ports.get(number)
        if number is None or number <= target.port <= port.get("endPort", number):
            return True
    return False


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """A label selector. The empty one matches everything."""
    for name, value in (selector.get("matchLabels") or {}).items():
        if labels.get(name) != value:
            return False
    return all(_expression(one, labels) for one in selector.get("matchExpressions") or [])


def _expression(one: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, wanted = labels.get(one["key"]), one.get("values") or []
    match one["operator"]:
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case other:
            raise ValueError(f"unknown operator {other!r} in a label selector")
