"""A session gets a warm pod, and exactly one."""

from __future__ import annotations

import asyncio

from csp_crds import names
from support.kube import POOLS, SESSIONS, Kube, StandInNode, bound, condition, pool, session
from support.operator_process import OperatorProcess
from support.waiting import wait_until


async def filled(kube: Kube, count: int, name: str = "default") -> None:
    def full(resource: dict[str, object]) -> bool:
        status = resource.get("status") or {}
        assert isinstance(status, dict)
        return status.get("warm") == count

    await kube.until(POOLS, name, full, 30, f"{count} warm pods")


async def test_a_session_gets_a_waiting_pod(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    await filled(kube, 2)
    made = await kube.create(SESSIONS, session("one"))
    found = await kube.until(SESSIONS, "one", bound)
    assert found["status"]["phase"] == "Bound"
    assert found["status"]["pod"]["start"] == "warm"
    pod = await kube.get("pods", found["status"]["pod"]["name"])
    assert pod["metadata"]["uid"] == found["status"]["pod"]["uid"]
    assert pod["status"]["podIP"] == found["status"]["pod"]["ip"]
    assert pod["metadata"]["labels"][names.STATE] == names.STATE_CLAIMED
    assert pod["metadata"]["labels"][names.SESSION_UID] == made["metadata"]["uid"]
    (owner,) = pod["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("AgentSession", made["metadata"]["uid"])
    await filled(kube, 2)  # refilled


async def test_twenty_at_once_get_twenty_different_pods(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool(scaling={"targetSpare": 20, "cooldownSeconds": 0}))
    await filled(kube, 20)
    names_ = [f"s{number}" for number in range(20)]
    await asyncio.gather(*(kube.create(SESSIONS, session(name)) for name in names_))
    found = [await kube.until(SESSIONS, name, bound) for name in names_]
    assert len({item["status"]["pod"]["uid"] for item in found}) == 20
    assert {item["status"]["pod"]["start"] for item in found} == {"warm"}


async def test_without_a_pool_the_session_says_so_and_goes_on_when_there_is_one(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(SESSIONS, session("early"))
    found = await kube.until(
        SESSIONS, "early", lambda item: condition(item, "Bound").get("reason") == "PoolNotFound"
    )
    assert "default" in condition(found, "Bound")["message"]
    await kube.create(POOLS, pool())
    await kube.until(SESSIONS, "early", bound)


async def test_a_deleted_session_takes_its_pod_along(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    await kube.create(SESSIONS, session("short"))
    found = await kube.until(SESSIONS, "short", bound)
    await kube.delete(SESSIONS, "short")

    async def gone() -> bool:
        return await kube.find("pods", found["status"]["pod"]["name"]) is None

    await wait_until(gone, 20, "the pod's end")
