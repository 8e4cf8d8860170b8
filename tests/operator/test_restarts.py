"""The operator is killed in the middle of each step; the next one finds things as they are and
goes on, with one pod for each session and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from support.fault_proxy import Call, Fault, FaultProxy
from support.kube import POOLS, SESSIONS, Kube, Object, StandInNode, bound, pool, session
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
