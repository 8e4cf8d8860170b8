"""`helm upgrade` and `helm rollback` in the middle of a turn, and a removal that keeps history."""

from __future__ import annotations

import copy
import json

from e2e.images.build import IMAGES, VERSION, derive
from e2e.installation import NAMESPACE, RELEASE, Installation
from e2e.recorder import Recorder
from e2e.sessions import (
    KIND,
    database_log,
    log_of,
    pod_of,
    pods,
    resource,
    until_condition,
    watching,
)
from support.play import say, script, slow
from support.waiting import wait_until

_NEXT = f"{VERSION}-next"


def next_version(installation: Installation) -> None:
    """Loads gateway and worker images that differ from the installed ones."""
    for name in ("csp-gateway", "csp-worker"):
        image = next(image for image in IMAGES if image.name == name)
        installation.cluster.load(derive(image, f"{name}:{_NEXT}", "ENV CSP_E2E_NEXT=1"))


async def test_an_upgrade_in_mid_stream_loses_no_event_and_leaves_the_pod_alone(
    installation: Installation,
) -> None:
    next_version(installation)
    before = copy.deepcopy(installation.values)
    async with watching(installation) as viewer:
        recorder = Recorder(installation.url, viewer.session_id, installation.headers)
        await viewer.turn(script(say("first")), deadline=120)
        pod = pod_of(installation, viewer.session_id)
        message = await viewer.say(script(slow(600, pause=0.1, word="tick ")))
        await viewer.partial(20)
        installation.values["gateway"] = {"image": {"tag": _NEXT}}
        installation.values["worker"] = {"image": {"tag": _NEXT}}
        installation.values["pools"]["default"]["template"]["podLabels"] = {"release": "next"}
        installation.upgrade(wait=False)
        await viewer.gone(120)
        await viewer.connect(deadline=60)
        end = await viewer.turn_end(message, deadline=180)
        assert end["outcome"] == "completed"
        assert viewer.text() == "first" + "tick " * 600
        assert pod_of(installation, viewer.session_id)["uid"] == pod["uid"], "claimed: left alone"
        installation.ready()
        await wait_until(
            lambda: all(
                pod["metadata"]["labels"].get("release") == "next"
                for pod in pods(installation, "warm")
            ),
            120,
            "warm pods of the new template",
            interval=1,
        )
        stored = database_log(installation, viewer.session_id)
        await recorder.until(len(stored))
        await recorder.close()
        recorder.holds(stored)
        assert recorder.connections > 1

        message = await viewer.say(script(slow(300, pause=0.1, word="tock ")))
        await viewer.partial(20)
        installation.helm("rollback", RELEASE, "--wait", "--timeout=300s")
        installation.values = before
        await viewer.gone(120)
        await viewer.connect(deadline=60)
        end = await viewer.turn_end(message, deadline=180)
        assert end["outcome"] == "completed"
        assert [json.loads(event) for event in database_log(installation, viewer.session_id)] == (
            viewer.facts
        )
    installation.ready()


async def test_a_namespace_that_is_deleted_takes_its_sessions_and_nothing_else(
    installation: Installation,
) -> None:
    other = "csp-e2e-team"
    before = copy.deepcopy(installation.values)
    installation.kubectl("create", "namespace", other)
    try:
        installation.values["tenants"] = {NAMESPACE: "local", other: "team"}
        installation.upgrade()
        async with watching(installation) as viewer:
            await viewer.turn(script(say("here")), deadline=120)
            installation.kubectl(
                "-n", other, "wait", "agentpool/default", "--for=condition=Available",
                "--timeout=120s", timeout=150,
            )  # fmt: skip
            installation.kubectl("delete", "namespace", other, "--wait=true", timeout=200)
            assert (await viewer.turn(script(say("still"))))["outcome"] == "completed"
    finally:
        installation.values = before
        installation.upgrade()


def running(installation: Installation) -> list[str]:
    """Names of pods that have not ended; those of `helm test` have."""
    found = installation.get("pods")
    return [
        pod["metadata"]["name"] for pod in found if pod["status"]["phase"] in ("Pending", "Running")
    ]


async def test_what_is_removed_and_installed_again_has_kept_its_history(
    installation: Installation,
) -> None:
    installation.apply(resource("kept", prompt=script(say("Remember me."))))
    await until_condition(installation, "kept", "Ready", deadline=120)
    found = await until_condition(installation, "kept", "TurnActive", "False")
    session_id = found["status"]["sessionId"]
    before = await log_of(installation, session_id)
    installation.uninstall()
    await wait_until(
        lambda: not running(installation), 120, "nothing that runs any more", interval=1
    )
    installation.install()
    after = await log_of(installation, session_id)
    assert after[: len(before)] == before
    installation.csp("delete", KIND, "kept", "--wait=true", "--ignore-not-found")
