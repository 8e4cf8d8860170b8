"""`helm upgrade` and `helm rollback` in the middle of a turn, and a removal that keeps history."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable

from e2e.images.build import IMAGES, VERSION, derive
from e2e.installation import NAMESPACE, RELEASE, Installation
from e2e.recorder import Recorder
from e2e.sessions import (
    KIND,
    database_log,
    ended,
    followed,
    log_of,
    pod_of,
    pods,
    resource,
    shown_is_stored,
    sql,
    until_condition,
    watching,
)
from support.play import say, script, slow
from support.viewer import Event, Viewer
from support.waiting import wait_until

_NEXT = f"{VERSION}-next"


def next_version(installation: Installation) -> None:
    """Loads gateway and worker images that differ from the installed ones."""
    for name in ("csp-gateway", "csp-worker"):
        image = next(image for image in IMAGES if image.name == name)
        installation.cluster.load(derive(image, f"{name}:{_NEXT}", "ENV CSP_E2E_NEXT=1"))


async def through(viewer: Viewer, message: Event, work: Callable[[], object]) -> Event:
    """The end of the message's turn, which must go on while this work takes its gateways away."""
    # In a thread: the viewer reads as it would if somebody else did this.
    working = asyncio.create_task(asyncio.to_thread(work), name="release")
    try:
        await viewer.gone(240)
        assert ended(viewer, message) is None, "the gateway went in mid-turn"
        return await followed(viewer, message, deadline=240)
    finally:
        await working


async def recorded(installation: Installation, recorder: Recorder) -> list[bytes]:
    """The log in PostgreSQL, once all of it has come to the recorder."""

    def whole() -> list[bytes] | None:
        stored = database_log(installation, recorder.session_id)
        return stored if len(stored) == recorder.seq else None

    found = await wait_until(whole, 60, "the recorder having the whole log", interval=0.5)
    assert found is not None
    return found


async def test_an_upgrade_and_its_rollback_in_mid_stream_lose_no_event_and_leave_the_pod_alone(
    installation: Installation,
) -> None:
    next_version(installation)
    before = copy.deepcopy(installation.values)
    async with watching(installation) as viewer:
        recorder = Recorder(installation.url, viewer.session_id, installation.headers)
        await viewer.turn(script(say("first")), deadline=120)
        pod = pod_of(installation, viewer.session_id)
        message = await viewer.say(script(slow(1200, pause=0.1, word="tick ")))
        await viewer.partial(20)
        installation.values["gateway"] = {"image": {"tag": _NEXT}}
        installation.values["worker"] = {"image": {"tag": _NEXT}}
        installation.values["pools"]["default"]["template"]["podLabels"] = {"release": "next"}
        end = await through(viewer, message, lambda: installation.upgrade(wait=False))
        assert end["outcome"] == "completed"
        assert viewer.text() == "first" + "tick " * 1200
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
        recorder.holds(await recorded(installation, recorder))
        connections = recorder.connections
        assert connections > 1

        message = await viewer.say(script(slow(600, pause=0.1, word="tock ")))
        await viewer.partial(20)
        rollback = ("rollback", RELEASE, "--wait", "--timeout=300s")
        end = await through(viewer, message, lambda: installation.helm(*rollback))
        installation.values = before
        assert end["outcome"] == "completed"
        assert viewer.text() == "first" + "tick " * 1200 + "tock " * 600
        assert pod_of(installation, viewer.session_id)["uid"] == pod["uid"], "claimed: left alone"
        recorder.holds(await recorded(installation, recorder))
        assert recorder.connections > connections
        await recorder.close()
        await shown_is_stored(installation, viewer)
    installation.ready()


async def test_a_namespace_that_is_deleted_takes_its_sessions_and_nothing_else(
    installation: Installation,
) -> None:
    other = "csp-e2e-team"
    before = copy.deepcopy(installation.values)
    installation.kubectl("create", "namespace", other)
    sql(
        installation,
        "insert into tenants (id, name) values ('team', 'Team'); insert into users "
        "(id, tenant, email, name) values ('user_ann', 'team', 'ann@team.example', 'Ann')",
    )
    try:
        installation.values["tenants"] = {NAMESPACE: "local", other: "team"}
        installation.upgrade()
        async with watching(installation) as viewer:
            await viewer.turn(script(say("here")), deadline=120)
            beside = pod_of(installation, viewer.session_id)
            installation.kubectl(
                "-n", other, "wait", "agentpool/default", "--for=condition=Available",
                "--timeout=120s", timeout=150,
            )  # fmt: skip
            guest = resource("guest", prompt=script(say("I am a guest.")), owner="ann@team.example")
            installation.apply(guest, namespace=other)
            await until_condition(installation, "guest", "Ready", namespace=other)
            found = await until_condition(
                installation, "guest", "TurnActive", "False", namespace=other
            )
            session_id = found["status"]["sessionId"]
            history = database_log(installation, session_id)
            assert any(b"I am a guest." in event for event in history)
            await asyncio.to_thread(
                installation.kubectl, "delete", "namespace", other, "--wait=true", timeout=200
            )
            assert (await viewer.turn(script(say("still"))))["outcome"] == "completed"
            assert pod_of(installation, viewer.session_id)["uid"] == beside["uid"]
            assert viewer.text() == "herestill"
            # What went was its place; nobody ended it.
            state = f"select state from sessions where id = '{session_id}'"
            await wait_until(
                lambda: sql(installation, state) == ["paused"], 60, "its session being paused"
            )
            assert database_log(installation, session_id)[: len(history)] == history
    finally:
        installation.values = before
        installation.upgrade()
        installation.kubectl("delete", "namespace", other, "--ignore-not-found", timeout=200)


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
