"""A session's way from its first pod to its end, as a person drives it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from csp_crds import names
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
    is_true,
    pool,
    session,
)
from support.operator_process import OperatorProcess
from support.waiting import wait_until

Start = Callable[..., OperatorProcess]
NO_SPARE = {"targetSpare": 0, "cooldownSeconds": 0}


def phase(name: str) -> Callable[[Object], object]:
    return lambda found: (found.get("status") or {}).get("phase") == name


def reason(kind: str, word: str) -> Callable[[Object], object]:
    return lambda found: condition(found, kind).get("reason") == word


async def no_pod(kube: Kube, uid: str) -> None:
    async def none() -> bool:
        return not await kube.pods(session=uid)

    await wait_until(none, 30, "the end of the session's pods")


async def reported(kube: Kube, name: str, **conditions: str) -> None:
    """What the control plane would say."""
    now = "2026-01-01T00:00:00Z"
    status: dict[str, Any] = {
        "lastActivity": now,
        "conditions": [
            {"type": kind, "status": value, "reason": "Test", "message": "",
             "lastTransitionTime": now}
            for kind, value in conditions.items()
        ],
    }  # fmt: skip
    await kube.apply_status(SESSIONS, name, names.CONTROL_PLANE_MANAGER, status)


async def test_without_a_warm_pod_one_is_made(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    node.hold()
    await kube.create(POOLS, pool(scaling=NO_SPARE))
    await kube.create(SESSIONS, session("cold"))
    found = await kube.until(SESSIONS, "cold", phase("Starting"))
    assert condition(found, "Bound")["status"] == "False"
    assert found["status"]["pod"]["name"] in condition(found, "Bound")["message"]
    node.go_on()
    found = await kube.until(SESSIONS, "cold", bound)
    assert found["status"]["pod"]["start"] == "cold"
    assert found["status"]["pod"]["ip"]


async def test_with_wait_the_next_warm_pod_is_taken(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool(scaling=NO_SPARE))
    await kube.create(SESSIONS, session("patient", coldStart="Wait"))
    await kube.until(SESSIONS, "patient", reason("Bound", "WaitingForWarmPod"))
    await kube.merge(POOLS, "default", {"spec": {"scaling": {"targetSpare": 1}}})
    found = await kube.until(SESSIONS, "patient", bound)
    assert found["status"]["pod"]["start"] == "warm"


async def test_with_reject_the_session_fails(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool(scaling=NO_SPARE))
    await kube.create(SESSIONS, session("strict", coldStart="Reject"))
    found = await kube.until(SESSIONS, "strict", phase("Failed"))
    assert condition(found, "Finished")["reason"] == "NoWarmPod"


async def test_suspend_gives_the_pod_back_and_resume_takes_another(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    made = await kube.create(SESSIONS, session("nap"))
    first = await kube.until(SESSIONS, "nap", bound)
    await kube.merge(SESSIONS, "nap", {"spec": {"suspend": True}})
    found = await kube.until(SESSIONS, "nap", phase("Suspended"))
    assert is_true("Suspended")(found)
    assert "pod" not in found["status"]
    await no_pod(kube, made["metadata"]["uid"])
    await kube.merge(SESSIONS, "nap", {"spec": {"suspend": False}})
    second = await kube.until(SESSIONS, "nap", bound)
    assert second["status"]["pod"]["uid"] != first["status"]["pod"]["uid"]


async def test_the_control_plane_pauses_wakes_and_releases(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    def notes(**values: str | None) -> Object:
        return {
            "metadata": {
                "annotations": {f"{names.GROUP}/{key}": text for key, text in values.items()}
            }
        }

    await kube.create(POOLS, pool())
    made = await kube.create(SESSIONS, session("chat"))
    first = await kube.until(SESSIONS, "chat", bound)
    await kube.merge(SESSIONS, "chat", notes(paused="true"))
    await kube.until(SESSIONS, "chat", phase("Paused"))
    await no_pod(kube, made["metadata"]["uid"])
    await kube.merge(SESSIONS, "chat", notes(paused=None))
    second = await kube.until(SESSIONS, "chat", bound)
    used = second["status"]["pod"]["uid"]
    assert used != first["status"]["pod"]["uid"]
    await kube.merge(SESSIONS, "chat", notes(release=used))
    third = await kube.until(
        SESSIONS, "chat", lambda item: bound(item) and item["status"]["pod"]["uid"] != used
    )
    assert third["status"].get("rebinds", 0) == 0
    await kube.merge(SESSIONS, "chat", notes(finish="Archived"))
    found = await kube.until(SESSIONS, "chat", phase("Finished"))
    assert condition(found, "Finished")["reason"] == "Archived"
    await no_pod(kube, made["metadata"]["uid"])


async def test_a_dead_pod_is_replaced_and_too_many_end_the_session(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    policy = {"maxRebinds": 2, "backoffSeconds": 1}
    await kube.create(SESSIONS, session("frail", failurePolicy=policy))
    dead: set[str] = set()
    for lost in (0, 1, 2):

        def replaced(item: Object, lost: int = lost) -> bool:
            status = item.get("status") or {}
            fresh = (status.get("pod") or {}).get("uid") not in dead
            return bound(item) and fresh and status.get("rebinds", 0) == lost

        found = await kube.until(SESSIONS, "frail", replaced)
        pod = found["status"]["pod"]
        dead.add(pod["uid"])
        await kube.merge("pods", pod["name"], ended_status("OOMKilled"), sub="status")
    found = await kube.until(SESSIONS, "frail", phase("Failed"))
    assert condition(found, "Finished")["reason"] == "RebindsExhausted"
    assert "OOMKilled" in condition(found, "Finished")["message"]


async def test_idle_sessions_are_paused_and_busy_ones_never(
    kube: Kube, node: StandInNode, operator: OperatorProcess, gateways: Heartbeat
) -> None:
    await kube.create(POOLS, pool(scaling={"targetSpare": 3, "cooldownSeconds": 0}))
    short: dict[str, Any] = {"lifecycle": {"idleTimeout": "2s"}}
    for name in ("idle", "busy", "asking"):
        await kube.create(SESSIONS, session(name, **short))
        await kube.until(SESSIONS, name, bound)
    await reported(kube, "busy", Ready="True", TurnActive="True")
    await reported(kube, "asking", Ready="True", TurnActive="False", AwaitingApproval="True")
    await reported(kube, "idle", Ready="True", TurnActive="False")
    found = await kube.until(SESSIONS, "idle", phase("Paused"))
    assert found["metadata"]["annotations"][names.PAUSED] == "true"
    for name in ("busy", "asking"):
        assert phase("Bound")(await kube.get(SESSIONS, name))


async def test_what_silent_gateways_said_last_makes_no_session_idle(
    kube: Kube, node: StandInNode, start_operator: Start
) -> None:
    """They may have died as a turn began, before they could tell."""
    operator = start_operator({"CSP_OPERATOR_RESYNC_SECONDS": "1"})
    await kube.create(POOLS, pool())
    await kube.create(SESSIONS, session("quiet", lifecycle={"idleTimeout": "1s"}))
    await kube.until(SESSIONS, "quiet", bound)
    await reported(kube, "quiet", Ready="True", TurnActive="False")
    looks = 'csp_operator_reconcile_seconds_count{kind="session"}'
    before = await asyncio.to_thread(operator.metric, looks)

    async def looked_often() -> bool:
        return await asyncio.to_thread(operator.metric, looks) >= before + 5

    await wait_until(looked_often, 60, "five looks at the session")
    assert phase("Bound")(await kube.get(SESSIONS, "quiet"))
    async with Heartbeat(kube):
        await kube.until(SESSIONS, "quiet", phase("Paused"))


async def test_max_lifetime_waits_for_a_turn_and_says_so(
    kube: Kube, node: StandInNode, start_operator: Start
) -> None:
    start_operator({"CSP_OPERATOR_TURN_GRACE_SECONDS": "6"})
    await kube.create(POOLS, pool())
    lifetime = {"maxLifetime": "3s", "ttlAfterFinished": "1s"}
    await kube.create(SESSIONS, session("long", lifecycle=lifetime))
    await kube.until(SESSIONS, "long", bound)
    await reported(kube, "long", Ready="True", TurnActive="True")
    found = await kube.until(SESSIONS, "long", reason("Finished", "LifetimeEnding"))
    assert bound(found)
    found = await kube.until(SESSIONS, "long", phase("Finished"))
    assert "turn was cut" in condition(found, "Finished")["message"]

    async def removed() -> bool:
        return await kube.find(SESSIONS, "long") is None

    await wait_until(removed, 30, "the end of ttlAfterFinished")
    events = await kube.list("events")
    assert "LifetimeEnding" in {event["reason"] for event in events}


async def test_a_session_that_is_not_accepted_gives_its_pod_back(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    made = await kube.create(SESSIONS, session("nobody"))
    await kube.until(SESSIONS, "nobody", bound)
    await reported(kube, "nobody", Accepted="False")
    await kube.until(SESSIONS, "nobody", reason("Bound", "NotAccepted"))
    await no_pod(kube, made["metadata"]["uid"])
    await reported(kube, "nobody", Accepted="True")
    await kube.until(SESSIONS, "nobody", bound)


async def test_two_writers_of_a_status_keep_their_own_fields(
    kube: Kube, node: StandInNode, operator: OperatorProcess
) -> None:
    await kube.create(POOLS, pool())
    await kube.create(SESSIONS, session("shared"))
    await kube.until(SESSIONS, "shared", bound)
    await reported(kube, "shared", Ready="True", TurnActive="False")
    await kube.merge(SESSIONS, "shared", {"spec": {"suspend": True}})
    found = await kube.until(SESSIONS, "shared", phase("Suspended"))
    assert is_true("Ready")(found)
    assert found["status"]["lastActivity"]
    managers = {entry["manager"] for entry in found["metadata"]["managedFields"]}
    assert {names.OPERATOR_MANAGER, names.CONTROL_PLANE_MANAGER} <= managers
