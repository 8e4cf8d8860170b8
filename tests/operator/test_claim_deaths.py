"""A pod dies at each step of its claim: the session gets another one, and exactly one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from csp_crds import names
from support.fault_proxy import Call, Fault, FaultProxy, Rule
from support.kube import (
    POOLS,
    SESSIONS,
    Kube,
    Object,
    StandInNode,
    bound,
    ended_status,
    is_true,
    pool,
    session,
)
from support.operator_process import OperatorProcess
from support.settled import full, settled

pytestmark = pytest.mark.faults
Start = Callable[..., OperatorProcess]
HOLD = "example.com/hold"


def claims(call: Call) -> bool:
    return call.method == "PATCH" and call.touches("pods")


def says_status(call: Call) -> bool:
    return call.touches("agentsessions", "status")


def pod_of(call: Call) -> str:
    """The pod that a claim is for."""
    return call.path.rsplit("/", 1)[1]


def before(moment: Callable[[Call], bool], act: Callable[[Call], Awaitable[object]]) -> Rule:
    """Something happens before the first such call is passed on."""
    left = [1]

    async def rule(call: Call) -> Fault | None:
        if left[0] and moment(call):
            left[0] = 0
            await act(call)
        return None

    return rule


async def retries(operator: OperatorProcess, reason: str) -> float:
    name = f'csp_operator_claim_retries_total{{reason="{reason}"}}'
    return await asyncio.to_thread(operator.metric, name)


@pytest.fixture
async def operator(
    kube: Kube, node: StandInNode, proxy: FaultProxy, start_operator: Start
) -> OperatorProcess:
    """With two warm pods."""
    started = start_operator(kubeconfig=proxy.kubeconfig)
    await kube.create(POOLS, pool())
    await full(kube, 2)
    return started


async def test_between_its_selection_and_the_write(
    kube: Kube, proxy: FaultProxy, operator: OperatorProcess
) -> None:
    chosen: list[str] = []

    async def kill(call: Call) -> None:
        chosen.append(pod_of(call))
        await kube.delete("pods", pod_of(call))

    proxy.rule(before(claims, kill))
    await kube.create(SESSIONS, session("one"))
    (found,) = await settled(kube, ["one"], 2)
    assert found["status"]["pod"]["name"] not in chosen
    assert found["status"]["pod"]["start"] == "warm"
    assert found["status"].get("rebinds", 0) == 0
    assert await retries(operator, "gone") == 1


async def test_it_stops_being_ready_before_the_write_and_the_reply_shows_it(
    kube: Kube, proxy: FaultProxy, operator: OperatorProcess
) -> None:
    chosen: list[str] = []

    async def unready(call: Call) -> None:
        chosen.append(pod_of(call))
        no = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        await kube.merge("pods", pod_of(call), {"status": {"conditions": [no]}}, sub="status")

    proxy.rule(before(claims, unready))
    await kube.create(SESSIONS, session("one"))
    (found,) = await settled(kube, ["one"], 2)
    assert found["status"]["pod"]["name"] not in chosen
    assert found["status"].get("rebinds", 0) == 0
    assert await kube.find("pods", chosen[0]) is None, "a used pod is never given back"
    assert await retries(operator, "unusable") == 1


async def test_it_begins_to_end_before_the_write_and_the_reply_shows_it(
    kube: Kube, proxy: FaultProxy, operator: OperatorProcess
) -> None:
    chosen: list[str] = []

    async def ending(call: Call) -> None:
        chosen.append(pod_of(call))
        await kube.merge("pods", pod_of(call), {"metadata": {"finalizers": [HOLD]}})
        await kube.delete("pods", pod_of(call))

    proxy.rule(before(claims, ending))
    await kube.create(SESSIONS, session("one"))
    found = await kube.until(SESSIONS, "one", bound)
    assert found["status"]["pod"]["name"] not in chosen
    assert await retries(operator, "unusable") == 1
    await kube.merge("pods", chosen[0], {"metadata": {"finalizers": None}})
    await settled(kube, ["one"], 2)


async def _ends(kube: Kube, name: str) -> None:
    await kube.merge("pods", name, ended_status("OOMKilled"), sub="status")


async def _is_deleted(kube: Kube, name: str) -> None:
    await kube.delete("pods", name)


@pytest.mark.parametrize("death", [_ends, _is_deleted])
async def test_between_the_claim_and_the_status(
    death: Callable[[Kube, str], Awaitable[None]],
    kube: Kube,
    proxy: FaultProxy,
    operator: OperatorProcess,
) -> None:
    dead: list[str] = []

    async def kill(_: Call) -> None:
        (claimed,) = await kube.pods(state=names.STATE_CLAIMED)
        dead.append(claimed["metadata"]["name"])
        await death(kube, dead[0])

    proxy.rule(before(says_status, kill))
    await kube.create(SESSIONS, session("one"))

    def replaced(found: Object) -> bool:
        return bound(found) and found["status"]["pod"]["name"] not in dead

    await kube.until(SESSIONS, "one", replaced)
    await settled(kube, ["one"], 2)


@pytest.mark.parametrize("death", [_ends, _is_deleted])
async def test_while_it_is_bound_to_the_log(
    death: Callable[[Kube, str], Awaitable[None]], kube: Kube, operator: OperatorProcess
) -> None:
    """The operator has said Bound, and the control plane not yet Ready."""
    await kube.create(SESSIONS, session("one"))
    found = await kube.until(SESSIONS, "one", bound)
    binding: dict[str, Any] = {
        "type": "Ready", "status": "False", "reason": "Binding", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    status = {"conditions": [binding]}
    await kube.apply_status(SESSIONS, "one", names.CONTROL_PLANE_MANAGER, status)
    dead = found["status"]["pod"]
    await death(kube, dead["name"])

    def replaced(item: Object) -> bool:
        return bound(item) and item["status"]["pod"]["uid"] != dead["uid"]

    found = await kube.until(SESSIONS, "one", replaced)
    assert found["status"]["rebinds"] == 1
    assert not is_true("Ready")(found)
    await settled(kube, ["one"], 2)
