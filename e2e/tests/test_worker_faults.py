"""Pods of sessions die, at every step, and the session goes on in another one.

Never is a message two turns, a pod two sessions', or a used pod handed out again.
"""

from __future__ import annotations

from e2e.installation import Installation
from e2e.sessions import (
    KIND,
    condition,
    log_of,
    name_of,
    pod_of,
    pods,
    resource,
    until_condition,
    watching,
)
from support.play import bash, say, script, slow
from support.waiting import wait_until

AT_ONCE = ("--grace-period=0", "--force", "--wait=false")


async def another_pod(installation: Installation, name: str, old_uid: str) -> str:
    """The UID of the pod that the session is Ready in after it lost that one."""

    def found() -> str | None:
        session = installation.get(KIND, name)
        pod = session["status"].get("pod") or {}
        ready = condition(session, "Ready").get("status") == "True"
        return pod["uid"] if ready and pod.get("uid") not in (None, old_uid) else None

    uid = await wait_until(found, 120, f"{name} being Ready in another pod", interval=0.3)
    assert uid is not None
    return uid


async def test_a_warm_pod_that_dies_just_before_it_is_claimed(installation: Installation) -> None:
    spare = installation.warm_pods()[0]["metadata"]
    installation.csp("delete", "pod", spare["name"], *AT_ONCE)
    installation.apply(resource("unlucky"))
    found = await until_condition(installation, "unlucky", "Ready", deadline=120)
    assert found["status"]["pod"]["uid"] != spare["uid"]
    installation.csp("delete", KIND, "unlucky", "--wait=true")


async def test_a_pod_that_dies_between_its_claim_and_its_bind_costs_no_message(
    installation: Installation,
) -> None:
    installation.apply(resource("between", prompt=script(say("Once."))))
    bound = await until_condition(installation, "between", "Bound")
    pod = bound["status"]["pod"]
    installation.csp("delete", "pod", pod["name"], *AT_ONCE)
    await another_pod(installation, "between", pod["uid"])
    found = await until_condition(installation, "between", "TurnActive", "False", deadline=120)
    log = await log_of(installation, found["status"]["sessionId"])
    assert [event["type"] for event in log].count("user.message") == 1
    assert [event["type"] for event in log].count("span.turn_start") == 1
    installation.csp("delete", KIND, "between", "--wait=true")


async def test_a_pod_that_dies_while_it_rests_is_replaced_for_the_next_message(
    installation: Installation,
) -> None:
    async with watching(installation) as viewer:
        await viewer.turn(script(say("before")), deadline=120)
        pod = pod_of(installation, viewer.session_id)
        known = len(viewer.facts)
        installation.csp("delete", "pod", pod["name"], *AT_ONCE)
        # A pod that is deleted by force is gone at once, and its worker moments later: until then
        # it would take the message, and its end would interrupt the turn.
        await viewer.fact("session.notice", after=known, code="worker_bound", deadline=60)
        end = await viewer.turn(script(say("after")), deadline=180)
        assert end["outcome"] == "completed"
        assert pod_of(installation, viewer.session_id)["uid"] != pod["uid"]
        assert viewer.text() == "beforeafter"


async def test_a_worker_that_is_killed_in_mid_turn_ends_the_turn_visibly(
    installation: Installation,
) -> None:
    async with watching(installation) as viewer:
        message = await viewer.say(script(slow(4000, word="tick ")))
        await viewer.partial(50, deadline=120)
        pod = pod_of(installation, viewer.session_id)
        installation.cluster.kill_in_pod(pod["uid"], "csp_worker")
        end = await viewer.turn_end(message, deadline=120)
        assert end["outcome"] == "interrupted"
        again = await viewer.turn(script(say("Here again.")), deadline=180)
        assert again["outcome"] == "completed"
        assert viewer.text().endswith("Here again.")
        assert await another_pod(installation, name_of(viewer.session_id), pod["uid"])
        found = installation.get(KIND, name_of(viewer.session_id))
        assert found["status"]["rebinds"] >= 1


async def test_a_session_that_eats_its_pods_memory_disturbs_no_other(
    installation: Installation,
) -> None:
    async with watching(installation) as neighbour, watching(installation) as glutton:
        await neighbour.turn(script(say("I am here.")), deadline=180)
        beside = pod_of(installation, neighbour.session_id)
        eats = "python3 -c 'x = bytearray(4 * 1024**3)'"
        message = await glutton.say(script(bash(eats), say("That was too much.")))
        asked = await glutton.fact("agent.tool_use", deadline=180)
        await glutton.answer(asked)
        await glutton.turn_end(message, deadline=180)
        assert (await glutton.turn(script(say("I go on.")), deadline=180))["outcome"] == "completed"
        assert (await neighbour.turn(script(say("So do I."))))["outcome"] == "completed"
        assert pod_of(installation, neighbour.session_id)["uid"] == beside["uid"]


async def test_an_image_that_is_not_there_is_said_on_the_pool_and_on_the_session(
    installation: Installation,
) -> None:
    pool = {
        "apiVersion": "sessionplane.io/v1alpha1",
        "kind": "AgentPool",
        "metadata": {"name": "broken"},
        "spec": {
            "template": {"image": "csp-nowhere:1", "imagePullPolicy": "Never"},
            "scaling": {"minWarm": 1, "maxWarm": 1, "targetSpare": 1},
        },
    }
    installation.apply(pool, resource("waiting", poolRef={"name": "broken"}, coldStart="Wait"))

    def said() -> str:
        progress = condition(installation.get("agentpool", "broken"), "Progressing")
        return progress.get("message", "") if progress.get("status") == "False" else ""

    message = await wait_until(
        lambda: said() if "csp-nowhere" in said() else "", 90, "the pool's trouble", interval=1
    )
    assert "image" in message.lower()
    bound = condition(installation.get(KIND, "waiting"), "Bound")
    assert bound["status"] == "False"
    assert bound["message"]
    installation.csp("delete", KIND, "waiting", "--wait=true")
    installation.csp("delete", "agentpool", "broken", "--wait=true")


async def test_a_session_deleted_while_it_is_claimed_leaves_nothing(
    installation: Installation,
) -> None:
    installation.apply(resource("brief"))
    installation.csp("delete", KIND, "brief", "--wait=true")

    def orphans() -> list[str]:
        living = {found["metadata"]["uid"] for found in installation.get(KIND)}
        return [
            pod["metadata"]["name"]
            for pod in pods(installation, "claimed")
            if pod["metadata"]["labels"]["sessionplane.io/session-uid"] not in living
        ]

    await wait_until(lambda: not orphans(), 60, "no pod without its session", interval=1)
