"""People change what they should not; the operator keeps its promises."""

from __future__ import annotations

import pytest

from csp_crds import names
from support.kube import POOLS, SESSIONS, Kube, Object, StandInNode, bound, pool, session
from support.operator_process import OperatorProcess
from support.waiting import wait_until


@pytest.fixture
def edits_by_hand() -> bool:
    return True


def full(resource: Object) -> bool:
    return bool((resource.get("status") or {}).get("warm") == 2)


async def test_a_used_pod_labelled_warm_is_never_handed_out_again(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    await kube.create(SESSIONS, session("one"))
    used = (await kube.until(SESSIONS, "one", bound))["status"]["pod"]
    labels = {names.STATE: names.STATE_WARM, names.SESSION_UID: None}
    await kube.merge("pods", used["name"], {"metadata": {"labels": labels}})
    for name in ("two", "three"):
        await kube.create(SESSIONS, session(name))
        found = await kube.until(SESSIONS, name, bound)
        assert found["status"]["pod"]["uid"] != used["uid"]
    still = await kube.get(SESSIONS, "one")
    assert bound(still)
    assert still["status"]["pod"]["uid"] == used["uid"]


async def test_a_status_that_somebody_emptied_or_changed_is_written_again(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    await kube.create(SESSIONS, session("one"))
    before = (await kube.until(SESSIONS, "one", bound))["status"]["pod"]
    changed = {"status": {"phase": "Failed", "pod": None, "rebinds": 7}}
    await kube.merge(SESSIONS, "one", changed, sub="status")
    found = await kube.until(
        SESSIONS,
        "one",
        lambda item: item["status"].get("pod") and item["status"]["phase"] == "Bound",
    )
    assert found["status"]["pod"]["uid"] == before["uid"]


async def test_a_status_that_names_another_sessions_pod_is_put_right(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    for name in ("one", "two"):
        await kube.create(SESSIONS, session(name))
    one = (await kube.until(SESSIONS, "one", bound))["status"]["pod"]
    two = (await kube.until(SESSIONS, "two", bound))["status"]["pod"]
    await kube.merge(SESSIONS, "one", {"status": {"pod": two}}, sub="status")

    async def right() -> bool:
        found = [await kube.get(SESSIONS, name) for name in ("one", "two")]
        pods = [(item["status"].get("pod") or {}).get("uid") for item in found]
        return all(map(bound, found)) and pods == [one["uid"], two["uid"]]

    await wait_until(right, 30, "each session with its own pod")


async def test_a_finalizer_on_a_session_does_not_keep_its_pod(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    body = session("kept")
    body["metadata"]["finalizers"] = ["example.com/mine"]
    made = await kube.create(SESSIONS, body)
    await kube.until(SESSIONS, "kept", bound)
    await kube.delete(SESSIONS, "kept")

    async def none() -> bool:
        return not await kube.pods(session=made["metadata"]["uid"])

    await wait_until(none, 30, "the pod's end")
    await kube.merge(SESSIONS, "kept", {"metadata": {"finalizers": None}})


async def test_a_pod_without_owner_or_session_is_removed(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    await kube.until(POOLS, "default", full)
    stray = (await kube.pods())[0]["metadata"]["name"]
    await kube.merge("pods", stray, {"metadata": {"ownerReferences": None}})

    async def gone() -> bool:
        return await kube.find("pods", stray) is None

    await wait_until(gone, 30, "the stray pod's end")
    await kube.until(POOLS, "default", full)


async def test_a_deleted_warm_pod_is_replaced(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    await kube.until(POOLS, "default", full)
    victim = (await kube.pods())[0]["metadata"]["name"]
    await kube.delete("pods", victim)

    async def replaced() -> bool:
        there = {pod["metadata"]["name"] for pod in await kube.pods()}
        return len(there) == 2 and victim not in there

    await wait_until(replaced, 30, "another pod")
