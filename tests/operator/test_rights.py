"""What the operator writes and may do: counted, and no more than it needs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from csp_crds import names
from csp_operator.api.resources import USES, USES_AT_HOME, rules
from support.apiserver import ApiServer
from support.kube import POOLS, SESSIONS, Kube, StandInNode, bound, pool, session
from support.operator_process import OperatorProcess
from support.waiting import wait_until

Start = Callable[..., OperatorProcess]
_READS = {"get", "list", "watch"}


async def _allow(kube: Kube, group: str) -> None:
    for name, uses in (("served", USES), ("home", USES_AT_HOME)):
        meta = {"name": f"operator-{name}"}
        group_of = "rbac.authorization.k8s.io"
        await kube.create("roles", {"metadata": meta, "rules": rules(uses)})
        reference = {"apiGroup": group_of, "kind": "Role", "name": meta["name"]}
        subject = {"apiGroup": group_of, "kind": "Group", "name": group}
        binding = {"metadata": meta, "roleRef": reference, "subjects": [subject]}
        await kube.create("rolebindings", binding)


def _calls(server: ApiServer, namespace: str, *agents: str) -> list[dict[str, str]]:
    """Of these user agents in this namespace, finished."""
    return [
        {
            "verb": record["verb"],
            "resource": record["objectRef"]["resource"],
            "sub": record["objectRef"].get("subresource", ""),
            "code": str(record.get("responseStatus", {}).get("code", 0)),
            "user": record["user"]["username"],
        }
        for record in server.audit()
        if (record.get("objectRef") or {}).get("namespace") == namespace
        and (record.get("userAgent") or "").startswith(agents)
    ]


async def test_a_claim_costs_two_writes_and_never_more_than_three(
    kube: Kube, node: StandInNode, operator: OperatorProcess, api_server: ApiServer
) -> None:
    await kube.create(POOLS, pool(scaling={"targetSpare": 5, "cooldownSeconds": 0}))
    await kube.until(POOLS, "default", lambda item: (item.get("status") or {}).get("warm") == 5)
    for number in range(5):
        await kube.create(SESSIONS, session(f"s{number}"))
        await kube.until(SESSIONS, f"s{number}", bound)
    writes = Counter(
        (call["verb"], call["resource"], call["sub"])
        for call in _calls(api_server, kube.namespace, "csp-operator", "kopf")
        if call["verb"] not in _READS
    )
    assert writes["patch", "pods", ""] == 5
    assert writes["patch", SESSIONS, "status"] == 5
    assert writes["patch", SESSIONS, ""] == 0


async def test_its_own_rules_are_enough_and_none_is_idle(
    kube: Kube, node: StandInNode, start_operator: Start, api_server: ApiServer
) -> None:
    group = f"{kube.namespace}-operators"
    await _allow(kube, group)
    operator = start_operator(kubeconfig=api_server.kubeconfig("restricted", [group]))
    await kube.create(POOLS, pool())
    await kube.until(POOLS, "default", lambda item: (item.get("status") or {}).get("warm") == 2)
    lifecycle = {"ttlAfterFinished": "0s"}
    await kube.create(SESSIONS, session("one", lifecycle=lifecycle))
    await kube.until(SESSIONS, "one", bound)

    async def told() -> bool:
        return bool(await kube.list("events"))

    await wait_until(told, 30, "an Event")
    note = {"metadata": {"annotations": {names.FINISH: "Done"}}}
    await kube.merge(SESSIONS, "one", note)

    async def gone() -> bool:
        return await kube.find(SESSIONS, "one") is None

    await wait_until(gone, 30, "the end of the session")
    await asyncio.to_thread(operator.stop)  # a watch is logged when it ends
    # Reads that only trouble needs, and the pause of an idle session, have their own tests.
    in_trouble = {
        ("agentsessions", "", "get"), ("agentsessions", "", "patch"),
        ("agentpools", "", "get"), ("pods", "", "get"),
    }  # fmt: skip
    granted = {
        (resource.plural, sub or "", verb)
        for (resource, sub), verbs in (USES | USES_AT_HOME).items()
        for verb in verbs
    }
    calls: list[dict[str, str]] = []

    def idle() -> set[tuple[str, str, str]]:
        calls[:] = _calls(api_server, kube.namespace, "csp-operator", "kopf")
        used = {(call["resource"], call["sub"], call["verb"]) for call in calls}
        return granted - used - in_trouble

    # A request is logged after its answer was sent, so what was seen may not be there yet.
    await wait_until(lambda: not idle(), 30, "a use of everything that is granted", 0.5)
    assert [call for call in calls if call["code"] == "403"] == []
