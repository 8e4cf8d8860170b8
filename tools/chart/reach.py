"""Who may reach whom: the table that must follow from the chart's network policies.

It is written down once, here, and compared with what the rendered policies allow, so that neither
can change without the other. docs/reference/network.md is made from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chart.network import Direction, Endpoint, Target, allowed, selecting
from chart.rendering import Resource, Variant
from chart.workloads import workers, workloads

OUTSIDE = {
    "a browser": Endpoint("a browser", address="198.51.100.7"),
    "a pod of somebody else": Endpoint("a pod of somebody else", "default", {"app": "other"}),
    "Prometheus": Endpoint("Prometheus", "monitoring", {"app": "prometheus"}),
    "the API server": Endpoint("the API server", address="10.96.0.1"),
    "the internet": Endpoint("the internet", address="203.0.113.10"),
    "cloud metadata": Endpoint("cloud metadata", address="169.254.169.254"),
    "a private address": Endpoint("a private address", address="192.168.7.7"),
    "cluster DNS": Endpoint("cluster DNS", "kube-system", {"k8s-app": "kube-dns"}),
}
TARGETS: dict[str, tuple[str, int, str]] = {
    "gateway": ("gateway", 8400, "TCP"),
    "worker": ("worker", 7443, "TCP"),
    "worker of another tenant": ("worker of another tenant", 7443, "TCP"),
    "model proxy": ("model-proxy", 8402, "TCP"),
    "scripted model": ("scripted-model", 8403, "TCP"),
    "egress proxy": ("egress-proxy", 3128, "TCP"),
    "PostgreSQL": ("postgresql", 5432, "TCP"),
    "Valkey": ("valkey", 6379, "TCP"),
    "operator's metrics": ("operator", 8405, "TCP"),
    "gateway's metrics": ("gateway", 8405, "TCP"),
    "model proxy's metrics": ("model-proxy", 8405, "TCP"),
    "the API server": ("the API server", 443, "TCP"),
    "the internet": ("the internet", 443, "TCP"),
    "a private address": ("a private address", 443, "TCP"),
    "cloud metadata": ("cloud metadata", 80, "TCP"),
    "cluster DNS": ("cluster DNS", 53, "UDP"),
}
"""Name in the table: component or place, port, protocol."""

_NAMES = frozenset({"cluster DNS"})
_BUNDLED = frozenset({"PostgreSQL", "Valkey"})
REACHES: dict[str, frozenset[str]] = {
    "worker": frozenset({"model proxy", "egress proxy"}),
    "worker of another tenant": frozenset({"model proxy", "egress proxy"}),
    "gateway": frozenset({"worker", "worker of another tenant", "the API server"})
    | _BUNDLED
    | _NAMES,
    "model-proxy": frozenset({"scripted model", "the internet"}) | _BUNDLED | _NAMES,
    "egress-proxy": frozenset({"the internet"}) | _NAMES,
    "operator": frozenset({"the API server"}) | _NAMES,
    "migrate": frozenset({"PostgreSQL"}) | _NAMES,
    "crds": frozenset({"the API server"}) | _NAMES,
    "removal": frozenset({"the API server"}) | _NAMES,
    "test": frozenset({"gateway", "model proxy", "egress proxy"}) | _NAMES,
    "policy-probe": _NAMES,
    "scripted-model": frozenset(),
    "postgresql": frozenset(),
    "valkey": frozenset(),
    "a browser": frozenset({"gateway"}),
    "a pod of somebody else": frozenset({"gateway"}) | _NAMES,
    "Prometheus": frozenset(
        {"gateway", "gateway's metrics", "model proxy's metrics", "operator's metrics"}
    )
    | _NAMES,
}
"""What each source reaches of what an installation has. The gateway is for everybody unless
networkPolicy.gatewayFrom says otherwise."""

_STRANGERS = ("a browser", "a pod of somebody else", "Prometheus")


def problems(variant: Variant) -> Iterator[str]:
    """Where the policies of a variant allow something else than the table, in words."""
    policies = [one for one in variant.resources if one["kind"] == "NetworkPolicy"]
    pods = _pods(variant.resources)
    yield from _ungoverned(policies, pods)
    places = {**OUTSIDE, **pods}
    closed = _exceptions(policies, pods)
    for name, source in places.items():
        if name not in REACHES:
            if name in pods:
                yield f"{name}: a component that the table of tools/chart/reach.py does not have"
            continue
        for label, (place, port, protocol) in TARGETS.items():
            if place not in places or place == name or _not_ours(name, label):
                continue
            expected = label in REACHES[name] and (name, label) not in closed
            found = allowed(policies, source, Target(places[place], port, protocol))
            if found != expected:
                yield f"{name} -> {label}: {_word(found)}, and should be {_word(expected)}"


def _exceptions(policies: Sequence[Resource], pods: dict[str, Endpoint]) -> set[tuple[str, str]]:
    """What values close although the table has it."""
    closed = set()
    gateways = [p for p in policies if p["metadata"]["name"].endswith("-gateway")]
    if any(gateway["spec"]["ingress"][0].get("from") for gateway in gateways):
        closed |= {(stranger, "gateway") for stranger in _STRANGERS}
    if "scripted-model" in pods:
        closed.add(("model-proxy", "the internet"))
    return closed


def _not_ours(source: str, label: str) -> bool:
    """What policies of the chart do not decide.

    Others' pods are governed by others. The API server is known by its networks only, so whoever
    may reach it may reach what else answers there on its port, unless networkPolicy.apiServer says
    which networks these are.
    """
    if OUTSIDE.get(source) is not None:
        return label in OUTSIDE
    return label in ("the internet", "a private address") and "the API server" in REACHES[source]


def _ungoverned(policies: Sequence[Resource], pods: dict[str, Endpoint]) -> Iterator[str]:
    directions: tuple[Direction, ...] = ("Ingress", "Egress")
    for name, pod in pods.items():
        for direction in directions:
            if not selecting(policies, direction, pod):
                yield f"{name}: no policy governs its {direction.lower()}"


def _pods(resources: Sequence[Resource]) -> dict[str, Endpoint]:
    made = {one.component: one.endpoint for one in workloads(resources)}
    return {**made, **{worker.name: worker for worker in workers(resources)}}


def _word(is_open: bool) -> str:
    return "open" if is_open else "closed"
