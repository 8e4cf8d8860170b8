"""Pods of sessions die, at every step, and the session goes on in another one.

Never is a message two turns, a pod two sessions', or a used pod handed out again.
"""

from __future__ import annotations

import asyncio
import re

import pytest

from e2e.installation import Installation
from e2e.sessions import (
    KIND,
    Resource,
    allowed,
    another_pod,
    condition,
    followed,
    log_of,
    name_of,
    pod_of,
    pods,
    resource,
    results,
    shown_is_stored,
    until_condition,
    watching,
)
from support.play import bash, say, script, slow
from support.processes import free_port
from support.waiting import wait_until

AT_ONCE = ("--grace-period=0", "--force", "--wait=false")

_KILLED = re.compile(r"137|Killed|OOMKilled|MB of memory")
"""How a limit of memory shows: by the command's end, the pod's, or the worker's own guard."""


async def test_a_warm_pod_that_dies_just_before_it_is_claimed(installation: Installation) -> None:
    spare = installation.warm_pods()[0]["metadata"]
    installation.csp("delete", "pod", spare["name"], *AT_ONCE)
    installation.apply(resource("unlucky"))
    found = await until_condition(installation, "unlucky", "Ready", deadline=120)
    assert found["status"]["pod"]["uid"] != spare["uid"]
    installation.csp("delete", KIND, "unlucky", "--wait=true")


async def test_a_warm_pod_that_is_deleted_while_it_is_claimed(installation: Installation) -> None:
    """Whoever wins: the session gets a pod that lives, and only one."""
    spare = installation.warm_pods()[0]["metadata"]
    await asyncio.gather(
        asyncio.to_thread(installation.csp, "delete", "pod", spare["name"], *AT_ONCE),
        asyncio.to_thread(installation.apply, resource("racer", prompt=script(say("Once.")))),
    )
    await until_condition(installation, "racer", "Ready", deadline=120)
    found = await until_condition(installation, "racer", "TurnActive", "False", deadline=120)
    log = await log_of(installation, found["status"]["sessionId"])
    assert [event["type"] for event in log].count("user.message") == 1
    assert [event["type"] for event in log].count("span.turn_start") == 1
    uid = found["metadata"]["uid"]
    claimed = [
        pod["metadata"]["uid"]
        for pod in pods(installation, "claimed")
        if pod["metadata"]["labels"]["sessionplane.io/session-uid"] == uid
    ]
    assert len(claimed) == 1
    assert spare["uid"] not in claimed
    installation.csp("delete", KIND, "racer", "--wait=true")


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


@pytest.mark.parametrize(
    ("words", "outcome"),
    [(60, "completed"), (4000, "interrupted")],
    ids=["a turn that ends within the grace", "a turn that does not"],
)
async def test_a_pod_that_is_drained_in_mid_turn_loses_no_text_and_no_file(
    installation: Installation, words: int, outcome: str
) -> None:
    """As `kubectl drain` does it: the pod is asked to end, and is given its time."""
    async with watching(installation) as viewer:
        steps = (bash("echo of this turn > made.txt"), slow(words, pause=0.1, word="tick "))
        message = await viewer.say(script(*steps))
        await allowed(viewer)
        await viewer.fact("agent.tool_result", deadline=60)
        answer = await viewer.partial(20, deadline=120)
        pod = pod_of(installation, viewer.session_id)
        shown = viewer.open[answer].decode()
        known = len(viewer.facts)
        await asyncio.to_thread(installation.csp, "delete", "pod", pod["name"], "--wait=true")
        end = await followed(viewer, message)
        assert end["outcome"] == outcome
        said = viewer.text()
        assert said.startswith(shown)
        assert said == "tick " * (len(said) // 5)
        assert len(said) == 5 * words or outcome == "interrupted"
        assert await another_pod(installation, name_of(viewer.session_id), pod["uid"])
        message = await viewer.say(script(bash("cat made.txt"), say("It is there.")))
        await allowed(viewer, known)
        assert (await viewer.turn_end(message, deadline=180))["outcome"] == "completed"
        assert results(viewer)[-1].strip() == "of this turn"
        assert "workspace_lost" not in {e["code"] for e in viewer.of("session.notice")}
        await shown_is_stored(installation, viewer)


async def test_a_session_that_eats_its_pods_memory_disturbs_no_other(
    installation: Installation,
) -> None:
    async with watching(installation) as neighbour, watching(installation) as glutton:
        await neighbour.turn(script(say("I am here.")), deadline=180)
        beside = pod_of(installation, neighbour.session_id)
        eats = "python3 -c 'x = bytearray(4 * 1024**3); print(len(x))'"
        message = await glutton.say(script(bash(eats), say("That was too much.")))
        await allowed(glutton)
        await glutton.turn_end(message, deadline=180)
        said = results(glutton)
        assert str(4 * 1024**3) not in "".join(said), "it got what it asked for"
        hits = [text for text in (*said, *glutton.sentences()) if _KILLED.search(text)]
        assert hits, f"nothing says that the limit was hit: {said}, {glutton.sentences()}"
        assert (await glutton.turn(script(say("I go on.")), deadline=180))["outcome"] == "completed"
        assert (await neighbour.turn(script(say("So do I."))))["outcome"] == "completed"
        assert pod_of(installation, neighbour.session_id)["uid"] == beside["uid"]


async def test_an_image_that_cannot_be_pulled_is_said_in_the_kubelets_words(
    installation: Installation,
) -> None:
    # Nothing listens there: the pull is tried and refused, as by a registry that is down.
    image = f"127.0.0.1:{free_port()}/csp-nowhere:1"
    pool = {
        "apiVersion": "sessionplane.io/v1alpha1",
        "kind": "AgentPool",
        "metadata": {"name": "broken"},
        "spec": {
            "template": {"image": image, "imagePullPolicy": "Always"},
            "scaling": {"minWarm": 1, "maxWarm": 1, "targetSpare": 1},
        },
    }
    sessions = {"patient": "Wait", "cold": "Allow"}
    installation.apply(
        pool,
        *(
            resource(name, poolRef={"name": "broken"}, coldStart=start)
            for name, start in sessions.items()
        ),
    )

    def trouble() -> str:
        progress = condition(installation.get("agentpool", "broken"), "Progressing")
        return progress.get("message", "") if progress.get("reason") == "ImagePull" else ""

    def refused(said: str) -> bool:
        """The kubelet's words: what it could not pull, and why."""
        return image in said and "connection refused" in said

    await wait_until(lambda: refused(trouble()), 120, "the pool's trouble", interval=0.5)
    available = condition(installation.get("agentpool", "broken"), "Available")
    assert (available["status"], available["reason"]) == ("False", "NoneReady")
    for name in sessions:

        def told(name: str = name) -> Resource | None:
            bound = condition(installation.get(KIND, name), "Bound")
            return bound if refused(bound.get("message", "")) else None

        bound = await wait_until(told, 120, f"{name} saying why", interval=0.5)
        assert bound is not None
        assert bound["status"] == "False"
        described = installation.csp("describe", "as", name)
        assert "connection refused" in described
    for name in sessions:
        installation.csp("delete", KIND, name, "--wait=true")
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
