"""Pools on a real API server: size, template, trouble."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from csp_crds import names
from support.apiserver import ApiServer
from support.kube import (
    POOLS,
    SESSIONS,
    Kube,
    Object,
    StandInNode,
    bound,
    condition,
    ended_status,
    is_true,
    pool,
    session,
    waiting_status,
)
from support.operator_process import OperatorProcess
from support.waiting import wait_until


async def count(kube: Kube, number: int) -> None:
    async def right() -> bool:
        return len(await kube.pods(state=names.STATE_WARM)) == number

    await wait_until(right, 30, f"{number} waiting pods")


def bound_says(reason: str) -> Callable[[Object], bool]:
    return lambda item: condition(item, "Bound").get("reason") == reason


unscheduled_says = bound_says("Unschedulable")


async def test_kubectl_scale_changes_how_many_wait(
    kube: Kube, node: StandInNode, operator: OperatorProcess, api_server: ApiServer
) -> None:
    await kube.create(POOLS, pool())
    await count(kube, 2)
    api_server.kubectl("-n", kube.namespace, "scale", "ap/default", "--replicas=4")
    await count(kube, 4)
    api_server.kubectl("-n", kube.namespace, "scale", "ap/default", "--replicas=1")
    await count(kube, 1)
    found = await kube.until(POOLS, "default", lambda item: item["status"].get("warm") == 1)
    assert is_true("Available")(found)
    labels = found["status"]["selector"]
    assert len(await kube.list("pods", labels.replace("=", "%3D"))) == 1


async def test_a_new_template_replaces_waiting_pods_and_no_claimed_one(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool(scaling={"targetSpare": 4, "cooldownSeconds": 0}))
    await kube.create(SESSIONS, session("old"))
    served = (await kube.until(SESSIONS, "old", bound))["status"]["pod"]["uid"]
    await count(kube, 4)
    image = "example.invalid/csp-worker:2"
    await kube.merge(POOLS, "default", {"spec": {"template": {"image": image}}})

    async def updated() -> bool:
        pods = await kube.pods(state=names.STATE_WARM)
        return len(pods) == 4 and all(
            pod["spec"]["containers"][0]["image"] == image for pod in pods
        )

    await wait_until(updated, 60, "four pods of the new template")
    found = await kube.get(SESSIONS, "old")
    assert bound(found)
    assert found["status"]["pod"]["uid"] == served
    assert await kube.pods(session=found["metadata"]["uid"])


async def test_pods_that_end_at_once_are_made_slower_and_the_reason_is_told(
    kube: Kube, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool(scaling={"targetSpare": 1, "cooldownSeconds": 0}))
    seen: set[str] = set()

    async def kill_next() -> bool:
        for item in await kube.pods():
            name = item["metadata"]["name"]
            if name not in seen:
                await kube.merge("pods", name, ended_status("Error", 3), sub="status")
                seen.add(name)
        return len(seen) >= 2

    await wait_until(kill_next, 40, "two pods that ended")

    def says_why(item: Object) -> bool:
        return condition(item, "Progressing").get("reason") == "PodsFail"

    found = await kube.until(POOLS, "default", says_why, 30)
    assert "exit code 3" in condition(found, "Progressing")["message"]


async def test_not_more_pods_are_made_in_a_second_than_the_pool_allows(
    kube: Kube, node: StandInNode, operator: OperatorProcess, api_server: ApiServer
) -> None:
    limits = {"maxConcurrent": 100, "perSecond": 2}
    scaling = {"targetSpare": 6, "cooldownSeconds": 0}
    await kube.create(POOLS, pool(scaling=scaling, refill=limits))
    await count(kube, 6)

    def made() -> list[datetime]:
        """When each creation reached the API server, in order."""
        return sorted(
            datetime.fromisoformat(record["requestReceivedTimestamp"])
            for record in api_server.audit()
            if (record.get("objectRef") or {}).get("namespace") == kube.namespace
            and record["objectRef"]["resource"] == "pods"
            and record["verb"] == "create"
        )

    await wait_until(lambda: len(made()) == 6, 30, "six creations in the log", 0.5)
    times = made()
    gaps = [(third - first).total_seconds() for first, third in zip(times, times[2:], strict=False)]
    assert min(gaps) >= 1.0, gaps


async def test_the_schedulers_words_are_in_the_conditions(
    kube: Kube, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool(scaling={"targetSpare": 1, "cooldownSeconds": 0}))
    await count(kube, 1)
    (pod,) = await kube.pods()
    words = "0/1 nodes are available: 1 Insufficient memory."
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                   "message": words, "lastTransitionTime": "2026-01-01T00:00:00Z"}  # fmt: skip
    status = {"status": {"conditions": [unscheduled]}}
    await kube.merge("pods", pod["metadata"]["name"], status, sub="status")
    found = await kube.until(POOLS, "default", is_true("Unschedulable"))
    assert condition(found, "Unschedulable")["message"] == words
    # A session that waits for one of the pool's, and one that needs its own, hear it as well.
    await kube.create(SESSIONS, session("patient", coldStart="Wait"))
    told = await kube.until(SESSIONS, "patient", unscheduled_says)
    assert words in condition(told, "Bound")["message"]
    await kube.create(SESSIONS, session("big"))
    made = await kube.until(SESSIONS, "big", lambda item: (item.get("status") or {}).get("pod"))
    name = made["status"]["pod"]["name"]
    await kube.merge("pods", name, status, sub="status")
    told = await kube.until(SESSIONS, "big", unscheduled_says)
    assert words in condition(told, "Bound")["message"]


async def test_a_session_that_waits_tells_what_ails_the_pool_as_it_changes(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    node.hold()
    await kube.create(POOLS, pool(scaling={"targetSpare": 1, "cooldownSeconds": 0}))
    await count(kube, 1)
    await kube.create(SESSIONS, session("patient", coldStart="Wait"))
    await kube.until(SESSIONS, "patient", bound_says("WaitingForWarmPod"))
    (pod,) = await kube.pods()
    name = pod["metadata"]["name"]
    words = 'Back-off pulling image "example.invalid/csp-worker:1"'
    await kube.merge("pods", name, waiting_status("ImagePullBackOff", words), sub="status")
    told = await kube.until(SESSIONS, "patient", bound_says("ImagePull"))
    assert words in condition(told, "Bound")["message"]
    await kube.merge("pods", name, waiting_status("ContainerCreating", ""), sub="status")
    await kube.until(SESSIONS, "patient", bound_says("WaitingForWarmPod"))
    node.go_on()
    await kube.until(SESSIONS, "patient", bound)


async def test_what_the_api_server_refuses_is_told(
    kube: Kube, operator: OperatorProcess, api_server: ApiServer
) -> None:
    api_server.kubectl("-n", kube.namespace, "create", "quota", "none", "--hard=pods=0")
    # What the quota's controller would say.
    counted = {"status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}}
    await kube.merge("resourcequotas", "none", counted, sub="status")
    await kube.create(POOLS, pool())
    found = await kube.until(
        POOLS,
        "default",
        lambda item: condition(item, "Progressing").get("reason") == "PodsRefused",
        40,
    )
    assert "quota" in condition(found, "Progressing")["message"]


async def test_a_deleted_pool_leaves_no_waiting_pods(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    await kube.create(SESSIONS, session("stays"))
    await kube.until(SESSIONS, "stays", bound)
    await count(kube, 2)
    await kube.delete(POOLS, "default")
    await count(kube, 0)
    assert bound(await kube.get(SESSIONS, "stays"))


async def test_pods_are_what_a_restricted_namespace_allows(
    kube: Kube, node: StandInNode, operator: OperatorProcess, api_server: ApiServer
) -> None:
    api_server.kubectl(
        "label", "namespace", kube.namespace, "pod-security.kubernetes.io/enforce=restricted"
    )
    await kube.create(POOLS, pool())
    await count(kube, 2)
    spec = (await kube.pods())[0]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["dnsPolicy"] == "None"
    assert {name for alias in spec["hostAliases"] for name in alias["hostnames"]} == {
        "csp-model-proxy",
        "csp-egress-proxy",
    }
