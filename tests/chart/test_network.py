"""The check of what may reach what: it follows the API's rules, and it notices what must not be."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from chart import hardening, reach
from chart.network import Endpoint, Target, allowed
from chart.rendering import VARIANTS, Variant

A = Endpoint("a", "one", {"app": "a"})
B = Endpoint("b", "two", {"app": "b", "tier": "x"}, {"web": 80})
OUTSIDE = Endpoint("outside", address="203.0.113.9")


def policy(pod: Endpoint, kind: str, *rules: dict[str, Any]) -> dict[str, Any]:
    direction = {"Ingress": "ingress", "Egress": "egress"}[kind]
    return {
        "metadata": {"namespace": pod.namespace},
        "spec": {
            "podSelector": {"matchLabels": {"app": pod.labels["app"]}},
            "policyTypes": [kind],
            direction: list(rules),
        },
    }


def peer(namespace: str, **labels: str) -> dict[str, Any]:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": labels},
    }


CASES = [
    ("nothing governs either end", [], True),
    ("a policy without rules closes", [policy(A, "Egress")], False),
    ("an empty rule opens everything", [policy(A, "Egress", {})], True),
    ("the other direction is not touched", [policy(A, "Ingress")], True),
    ("both ends must agree", [policy(A, "Egress", {}), policy(B, "Ingress")], False),
    ("one of several suffices", [policy(A, "Egress"), policy(A, "Egress", {})], True),
    ("by namespace and label", [policy(A, "Egress", {"to": [peer("two", app="b")]})], True),
    ("another namespace", [policy(A, "Egress", {"to": [peer("one", app="b")]})], False),
    ("no namespace means one's own",
     [policy(A, "Egress", {"to": [{"podSelector": {"matchLabels": {"app": "b"}}}]})], False),
    ("by the port's name", [policy(B, "Ingress", {"ports": [{"port": "web"}]})], True),
    ("another port", [policy(B, "Ingress", {"ports": [{"port": 81}]})], False),
    ("another protocol",
     [policy(B, "Ingress", {"ports": [{"port": 80, "protocol": "UDP"}]})], False),
    ("within a range", [policy(B, "Ingress", {"ports": [{"port": 70, "endPort": 90}]})], True),
    ("by an expression", [policy(A, "Egress", {"to": [{"namespaceSelector": {}, "podSelector": {
        "matchExpressions": [{"key": "tier", "operator": "Exists"}]}}]})], True),
    ("an address block is not for pods",
     [policy(A, "Egress", {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]})], False),
]  # fmt: skip


@pytest.mark.parametrize(("what", "policies", "open_"), CASES, ids=[case[0] for case in CASES])
def test_policies_mean_what_the_api_says(
    what: str, policies: list[dict[str, Any]], open_: bool
) -> None:
    assert allowed(policies, A, Target(B, 80)) is open_


def test_an_address_is_inside_a_block_and_outside_its_holes() -> None:
    block = {"cidr": "203.0.113.0/24", "except": ["203.0.113.8/31"]}
    policies = [policy(A, "Egress", {"to": [{"ipBlock": block}]})]
    assert not allowed(policies, A, Target(OUTSIDE, 443))
    near = Endpoint("near", address="203.0.113.10")
    assert allowed(policies, A, Target(near, 443))
    assert not allowed(policies, A, Target(Endpoint("far", address="198.51.100.1"), 443))


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_the_chart_allows_exactly_what_the_table_says(variant: Variant) -> None:
    assert list(reach.problems(variant)) == []


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_pods_are_restricted_and_see_only_their_own_secrets(variant: Variant) -> None:
    assert list(hardening.problems(variant)) == []


class Changed(Variant):
    """A variant whose resources a test has changed."""

    def __init__(self, resources: list[Any]) -> None:
        super().__init__("changed", ())
        self.__dict__["resources"] = resources


def trial() -> list[Any]:
    return copy.deepcopy(VARIANTS[0].resources)


def one(resources: list[Any], kind: str, name: str) -> Any:
    return next(r for r in resources if (r["kind"], r["metadata"]["name"]) == (kind, name))


def test_a_policy_that_is_missing_is_noticed() -> None:
    governed = [r["metadata"]["name"] for r in trial() if r["kind"] == "NetworkPolicy"]
    for name in governed:
        left = [r for r in trial() if (r["kind"], r["metadata"]["name"]) != ("NetworkPolicy", name)]
        assert any("no policy" in p for p in reach.problems(Changed(left))), name


@pytest.mark.parametrize(
    ("rule", "noticed"),
    [
        ({}, "worker -> PostgreSQL"),
        ({"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}]}, "worker -> cloud metadata"),
        ({"to": [{"ipBlock": {"cidr": "10.96.0.0/12"}}]}, "worker -> the API server"),
        ({"ports": [{"port": 53, "protocol": "UDP"}]}, "worker -> cluster DNS"),
        ({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}, "worker -> the internet"),
    ],
)
def test_whatever_opens_a_worker_is_noticed(rule: dict[str, Any], noticed: str) -> None:
    made = trial()
    one(made, "NetworkPolicy", "csp-worker")["spec"]["egress"].append(rule)
    if not rule:
        one(made, "NetworkPolicy", "csp-postgresql")["spec"]["ingress"].append({})
    assert any(p.startswith(noticed) for p in reach.problems(Changed(made)))


def test_workers_that_reach_each_other_are_noticed() -> None:
    made = trial()
    one(made, "AgentPool", "default")
    spec = one(made, "NetworkPolicy", "csp-worker")["spec"]
    spec["egress"].append({"to": [{"podSelector": {}}]})
    spec["ingress"].append({"from": [{"podSelector": {}}]})
    other = copy.deepcopy(one(made, "AgentPool", "default"))
    other["metadata"]["namespace"] = "team-a"
    made.append(other)
    closed = [p for p in reach.problems(Changed(made)) if p.startswith("worker ->")]
    assert closed != []


@pytest.mark.parametrize(
    ("change", "noticed"),
    [
        (lambda pod: pod.update(hostNetwork=True), "hostNetwork"),
        (lambda pod: pod["securityContext"].update(runAsNonRoot=False), "root"),
        (lambda pod: pod.update(automountServiceAccountToken=True), "token"),
        (lambda pod: pod["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "hostPath"),
        (lambda pod: pod["volumes"].append(
            {"name": "x", "secret": {"secretName": "csp-signing-key"}}), "csp-signing-key"),
        (lambda pod: pod["containers"][0]["securityContext"].pop("capabilities"), "capabilities"),
        (lambda pod: pod["containers"][0]["resources"].pop("limits"), "memory"),
    ],
)  # fmt: skip
def test_a_weaker_pod_is_noticed(change: Any, noticed: str) -> None:
    made = trial()
    change(one(made, "Deployment", "csp-model-proxy")["spec"]["template"]["spec"])
    assert any(noticed in problem for problem in hardening.problems(Changed(made)))


@pytest.mark.parametrize(
    "rule",
    [
        {"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
    ],
)
def test_a_right_too_many_is_noticed(rule: dict[str, Any]) -> None:
    made = trial()
    one(made, "Role", "csp-gateway")["rules"].append(rule)
    assert list(hardening.problems(Changed(made))) != []


def test_a_private_key_in_a_config_map_is_noticed() -> None:
    made = trial()
    private = one(made, "Secret", "csp-signing-key")["stringData"]["key.json"]
    one(made, "ConfigMap", "csp-worker-keys")["data"]["jwks.json"] = private
    assert any("private key" in problem for problem in hardening.problems(Changed(made)))
