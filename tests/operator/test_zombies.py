"""Pods that do not go away, or that nobody knows of, keep nothing from going on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from csp_crds import names
from support.kube import POOLS, SESSIONS, Kube, Object, StandInNode, bound, pool, session
from support.operator_process import OperatorProcess
from support.settled import full, settled
from support.waiting import wait_until

pytestmark = pytest.mark.faults
Start = Callable[..., OperatorProcess]
HOLD = {"metadata": {"finalizers": ["example.com/hold"]}}
LET_GO = {"metadata": {"finalizers": None}}


async def terminating_for_ever(kube: Kube, pod: str) -> None:
    """As on a lost node: deleted, and nobody confirms that it is gone."""
    await kube.merge("pods", pod, HOLD)
    await kube.delete("pods", pod)


async def test_a_session_whose_pod_is_terminating_for_ever_has_another(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    await kube.create(SESSIONS, session("one"))
    first = (await settled(kube, ["one"], 2))[0]["status"]["pod"]
    await terminating_for_ever(kube, first["name"])

    def another(found: Object) -> bool:
        return bound(found) and found["status"]["pod"]["uid"] != first["uid"]

    found = await kube.until(SESSIONS, "one", another)
    assert found["status"]["rebinds"] == 1
    stuck = await kube.get("pods", first["name"])
    assert stuck["metadata"]["deletionTimestamp"]
    # It still carries the session's name and is neither counted nor found again.

    def counted_right(found: Object) -> bool:
        return (found["status"].get("claimed"), found["status"].get("warm")) == (1, 2)

    await kube.until(POOLS, "default", counted_right)
    await kube.merge("pods", first["name"], LET_GO)
    assert (await settled(kube, ["one"], 2))[0]["status"]["pod"] == found["status"]["pod"]


async def test_a_warm_pod_that_is_terminating_for_ever_is_made_up_for_and_not_handed_out(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool(scaling={"targetSpare": 1, "cooldownSeconds": 0}))
    await full(kube, 1)
    (stuck,) = await kube.pods()
    await terminating_for_ever(kube, stuck["metadata"]["name"])

    async def two() -> bool:
        return len(await kube.pods()) == 2

    await wait_until(two, 30, "another warm pod")
    await kube.create(SESSIONS, session("one"))
    found = await kube.until(SESSIONS, "one", bound)
    assert found["status"]["pod"]["uid"] != stuck["metadata"]["uid"]
    await kube.merge("pods", stuck["metadata"]["name"], LET_GO)
    await settled(kube, ["one"], 1)


async def test_a_claimed_pod_whose_session_went_while_no_operator_was_there_is_deleted(
    kube: Kube, node: StandInNode, start_operator: Start
) -> None:
    first = start_operator()
    await kube.create(POOLS, pool())
    for name in ("goes", "stays"):
        await kube.create(SESSIONS, session(name))
    await settled(kube, ["goes", "stays"], 2)
    foreign = {
        "metadata": {
            "name": "foreign",
            "labels": {names.SESSION_UID: "nobody", "app": "somebody-elses"},
        },
        "spec": {"containers": [{"name": "c", "image": "example.invalid/other:1"}]},
    }
    await kube.create("pods", foreign)
    await asyncio.to_thread(first.kill)
    await kube.delete(SESSIONS, "goes")
    start_operator()
    await settled(kube, ["stays"], 2)
    assert await kube.find("pods", "foreign") is not None
