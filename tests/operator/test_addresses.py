"""Pods know the proxies by address, for life: what happens when a Service is missing or moves."""

from __future__ import annotations

from support.kube import POOLS, SESSIONS, Kube, Object, StandInNode, bound, condition, pool, session
from support.operator_process import OperatorProcess
from support.settled import full, settled
from support.waiting import wait_until

PROXY = "csp-model-proxy"


def knows(pod: Object, address: str) -> bool:
    return address in [alias["ip"] for alias in pod["spec"]["hostAliases"]]


async def test_without_a_service_the_pool_says_which_and_is_counted_all_the_same(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    service = await kube.get("services", PROXY)
    await kube.delete("services", PROXY)
    await kube.create(POOLS, pool())

    def broken(found: Object) -> bool:
        return bool(condition(found, "Progressing").get("reason") == "ServiceMissing")

    found = await kube.until(POOLS, "default", broken)
    assert PROXY in condition(found, "Progressing")["message"]
    counted = f'csp_operator_pool_pods{{namespace="{kube.namespace}",pool="default",state="%s"}}'
    assert operator.metric(counted % "wanted") == 2
    assert operator.metric(counted % "warm") == 0
    await kube.create("services", _again(service))
    await full(kube, 2)
    assert operator.metric(counted % "warm") == 2


async def test_when_a_service_moves_idle_sessions_move_with_it(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    await full(kube, 2)
    await kube.create(SESSIONS, session("one"))
    (before,) = await settled(kube, ["one"], 2)
    service = await kube.get("services", PROXY)
    old = service["spec"]["clusterIP"]
    await kube.delete("services", PROXY)
    # A taker of the old address, so that it cannot come back by chance.
    taker = {"metadata": {"name": "taker"}, "spec": {"clusterIP": old, "ports": [{"port": 1}]}}
    await kube.create("services", taker)
    new = (await kube.create("services", _again(service)))["spec"]["clusterIP"]
    assert new != old

    def moved(found: Object) -> bool:
        return bound(found) and found["status"]["pod"]["uid"] != before["status"]["pod"]["uid"]

    found = await kube.until(SESSIONS, "one", moved, 90)
    assert found["status"].get("rebinds", 0) == 0
    assert knows(await kube.get("pods", found["status"]["pod"]["name"]), new)
    await settled(kube, ["one"], 2)
    assert all(knows(pod, new) for pod in await kube.pods())


async def test_when_a_service_moves_pods_that_wait_are_replaced_without_any_other_news(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    await full(kube, 2)
    service = await kube.get("services", PROXY)
    await kube.delete("services", PROXY)
    taker = {
        "metadata": {"name": "taker"},
        "spec": {"clusterIP": service["spec"]["clusterIP"], "ports": [{"port": 1}]},
    }
    await kube.create("services", taker)
    new = (await kube.create("services", _again(service)))["spec"]["clusterIP"]

    async def replaced() -> bool:
        pods = await kube.pods()
        return bool(pods) and all(knows(pod, new) for pod in pods)

    await wait_until(replaced, 120, "pods that know the new address", interval=0.5)
    await full(kube, 2)


def _again(service: Object) -> Object:
    """The same Service, for whatever address there is."""
    return {"metadata": {"name": service["metadata"]["name"]}, "spec": {"ports": [{"port": 8402}]}}
