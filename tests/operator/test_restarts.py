"""The operator is killed in the middle of each step; the next one finds things as they are and
goes on, with one pod for each session and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from csp_crds import names
from support.fault_proxy import Call, Fault, FaultProxy
from support.heartbeat import Heartbeat
from support.kube import (
    POOLS,
    SESSIONS,
    Kube,
    Object,
    StandInNode,
    bound,
    condition,
    ended_status,
    pool,
    session,
)
from support.operator_process import OperatorProcess
from support.settled import full, settled
from support.waiting import wait_until

pytestmark = pytest.mark.faults
Start = Callable[..., OperatorProcess]
Moment = Callable[[Call], bool]


def makes_pod(call: Call) -> bool:
    return call.method == "POST" and call.path.endswith("/pods")


def deletes_pod(call: Call) -> bool:
    return call.method == "DELETE" and "/pods/" in call.path


def claims_pod(call: Call) -> bool:
    return call.method == "PATCH" and "/pods/" in call.path


def annotates(call: Call) -> bool:
    return call.method == "PATCH" and call.path.endswith("/agentsessions/one")


def removes_session(call: Call) -> bool:
    return call.method == "DELETE" and "/agentsessions/" in call.path


def says_status(call: Call) -> bool:
    return call.touches("agentsessions", "status")


def phase(name: str) -> Callable[[Object], object]:
    return lambda found: (found.get("status") or {}).get("phase") == name


async def killed_at(
    moment: Moment, proxy: FaultProxy, leader: OperatorProcess, act: Awaitable[object]
) -> None:
    """Kills the operator at this call: it reaches the API server, and its answer nobody."""
    reached = asyncio.Event()

    def here(call: Call) -> Fault | None:
        if not moment(call):
            return None
        reached.set()
        return Fault("lost")

    proxy.rule(here)
    await act
    await asyncio.wait_for(reached.wait(), 30)
    leader.kill()


async def serving(
    kube: Kube, proxy: FaultProxy, start_operator: Start, **spec: Any
) -> tuple[OperatorProcess, Object]:
    """The operator behind the proxy, and the pod of the session `one`, which is bound."""
    leader = start_operator(kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool())
    await full(kube, 2)
    await kube.create(SESSIONS, session("one", **spec))
    (found,) = await settled(kube, ["one"], 2)
    return leader, found["status"]["pod"]


def has_another(pod: Object) -> Callable[[Object], bool]:
    return lambda found: bound(found) and found["status"]["pod"]["uid"] != pod["uid"]


async def test_while_a_pool_is_filled(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    leader = start_operator(kubeconfig=proxy.kubeconfig)
    await killed_at(makes_pod, proxy, leader, kube.create(POOLS, pool()))
    start_operator()
    await settled(kube, [], 2)


async def test_while_a_pod_is_made_for_a_session(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    leader = start_operator(kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool(scaling={"targetSpare": 0, "cooldownSeconds": 0}))
    await killed_at(makes_pod, proxy, leader, kube.create(SESSIONS, session("cold")))

    async def made() -> bool:
        return len(await kube.pods()) == 1

    await wait_until(made, 30, "the pod whose making was not answered")
    (first,) = await kube.pods()
    start_operator()
    (found,) = await settled(kube, ["cold"], 0)
    assert found["status"]["pod"]["uid"] == first["metadata"]["uid"]


@pytest.mark.parametrize("moment", [says_status, deletes_pod], ids=["before", "after"])
@pytest.mark.parametrize(
    ("change", "end"),
    [
        ({"spec": {"suspend": True}}, "Suspended"),
        ({"metadata": {"annotations": {"sessionplane.io/paused": "true"}}}, "Paused"),
        ({"metadata": {"annotations": {"sessionplane.io/finish": "Archived"}}}, "Finished"),
    ],
    ids=["suspend", "pause", "finish"],
)
async def test_while_a_session_gives_its_pod_back(
    change: Object,
    end: str,
    moment: Moment,
    kube: Kube,
    node: StandInNode,
    proxy: FaultProxy,
    start_operator: Start,
) -> None:
    leader = start_operator(kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool())
    await full(kube, 2)
    await kube.create(SESSIONS, session("one"))
    await settled(kube, ["one"], 2)
    await killed_at(moment, proxy, leader, kube.merge(SESSIONS, "one", change))
    start_operator()
    await kube.until(SESSIONS, "one", phase(end))

    async def alone() -> bool:
        return len(await kube.pods()) == 2

    await wait_until(alone, 30, "the end of the session's pod")


async def test_while_a_pool_gives_pods_back(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    leader = start_operator(kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool(scaling={"targetSpare": 4, "cooldownSeconds": 0}))
    await full(kube, 4)
    less = {"spec": {"scaling": {"targetSpare": 1}}}
    await killed_at(deletes_pod, proxy, leader, kube.merge(POOLS, "default", less))
    start_operator()
    await settled(kube, [], 1)


@pytest.mark.parametrize("moment", [claims_pod, says_status, deletes_pod])
async def test_while_a_pod_that_died_is_replaced(
    moment: Moment, kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    leader, dead = await serving(kube, proxy, start_operator)
    death = kube.merge("pods", dead["name"], ended_status("OOMKilled"), sub="status")
    await killed_at(moment, proxy, leader, death)
    start_operator()
    found = await kube.until(SESSIONS, "one", has_another(dead))
    await settled(kube, ["one"], 2)
    assert found["status"]["rebinds"] == 1


@pytest.mark.parametrize("moment", [claims_pod, says_status, deletes_pod])
async def test_while_a_pod_is_released(
    moment: Moment, kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    leader, used = await serving(kube, proxy, start_operator)
    note = {"metadata": {"annotations": {names.RELEASE: used["uid"]}}}
    await killed_at(moment, proxy, leader, kube.merge(SESSIONS, "one", note))
    start_operator()
    found = await kube.until(SESSIONS, "one", has_another(used))
    await settled(kube, ["one"], 2)
    assert found["status"].get("rebinds", 0) == 0


@pytest.mark.parametrize("moment", [makes_pod, deletes_pod])
async def test_in_a_rolling_update(
    moment: Moment, kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    leader, served = await serving(kube, proxy, start_operator)
    image = "example.invalid/csp-worker:2"
    change = {"spec": {"template": {"image": image}}}
    await killed_at(moment, proxy, leader, kube.merge(POOLS, "default", change))
    start_operator()

    async def updated() -> bool:
        warm = await kube.pods(state=names.STATE_WARM)
        return [pod["spec"]["containers"][0]["image"] for pod in warm] == [image] * 2

    await wait_until(updated, 60, "two pods of the new template")
    (found,) = await settled(kube, ["one"], 2)
    assert found["status"]["pod"]["uid"] == served["uid"], "claimed pods are left alone"


async def test_while_an_idle_session_is_paused(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start, gateways: Heartbeat
) -> None:
    leader, _ = await serving(kube, proxy, start_operator, lifecycle={"idleTimeout": "1s"})
    now = "2026-01-01T00:00:00Z"
    conditions = [
        {"type": kind, "status": value, "reason": "Test", "message": "", "lastTransitionTime": now}
        for kind, value in (("Ready", "True"), ("TurnActive", "False"))
    ]
    report = {"lastActivity": now, "conditions": conditions}
    told = kube.apply_status(SESSIONS, "one", names.CONTROL_PLANE_MANAGER, report)
    await killed_at(annotates, proxy, leader, told)
    start_operator()
    await kube.until(SESSIONS, "one", phase("Paused"))
    await settled(kube, [], 2)


async def test_while_a_finished_session_is_removed(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    leader, _ = await serving(kube, proxy, start_operator, lifecycle={"ttlAfterFinished": "0s"})
    over = {"metadata": {"annotations": {names.FINISH: "Done"}}}
    await killed_at(removes_session, proxy, leader, kube.merge(SESSIONS, "one", over))
    start_operator()

    async def gone() -> bool:
        return await kube.find(SESSIONS, "one") is None

    await wait_until(gone, 30, "the end of the session")
    await settled(kube, [], 2)


@pytest.mark.parametrize("moment", [says_status, deletes_pod])
async def test_while_a_session_that_is_not_accepted_gives_its_pod_back(
    moment: Moment, kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    leader, _ = await serving(kube, proxy, start_operator)
    refused = {
        "type": "Accepted", "status": "False", "reason": "UnknownOwner", "message": "nobody",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    told = kube.apply_status(
        SESSIONS, "one", names.CONTROL_PLANE_MANAGER, {"conditions": [refused]}
    )

    await killed_at(moment, proxy, leader, told)
    start_operator()
    await kube.until(
        SESSIONS, "one", lambda found: condition(found, "Bound").get("reason") == "NotAccepted"
    )
    await settled(kube, [], 2)


async def test_while_a_session_that_cannot_wait_is_refused(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    leader = start_operator(kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool(scaling={"targetSpare": 0, "cooldownSeconds": 0}))
    made = kube.create(SESSIONS, session("strict", coldStart="Reject"))
    await killed_at(says_status, proxy, leader, made)
    await kube.merge(POOLS, "default", {"spec": {"scaling": {"targetSpare": 1}}})
    start_operator()
    found = await kube.until(SESSIONS, "strict", phase("Failed"))
    assert condition(found, "Finished")["reason"] == "NoWarmPod"
    await settled(kube, [], 1)


async def test_a_watch_that_is_too_old_begins_again(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> None:
    start_operator({"CSP_OPERATOR_RESYNC_SECONDS": "3600"}, kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool())
    await full(kube, 2)
    expired = Fault("refused", 410, "Expired")
    proxy.rule(lambda call: expired if call.watches else None)
    proxy.drop_watches()

    async def refused() -> bool:
        return proxy.faults >= 3

    await wait_until(refused, 30, "watches that are asked for again")
    await kube.create(SESSIONS, session("meanwhile"))
    proxy.rule(None)
    (found,) = await settled(kube, ["meanwhile"], 2)
    assert bound(found)
